import { describe, expect, it } from 'vitest'
import { HANDLED, REJECTED, type Receipt, SKIPPED, STORED } from '../../src/delivery/port.ts'
import { ReceiptQueue } from '../../src/peer/receipt-queue.ts'

const [epoch, other] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
const receipt = (state: Receipt['state'], from: number, to: number, reason = ''): Receipt => ({
  ...{ epoch, lane: 1_025, state, from, to, reason }
})

function taken(...receipts: readonly Receipt[]): Receipt[] {
  const queue = new ReceiptQueue()
  for (const each of receipts) queue.add(each)
  const all = queue.take(Number.POSITIVE_INFINITY)
  expect(queue.isEmpty).toBe(true)
  return all
}

describe('receipts that wait', () => {
  it('become one where their ranges touch', () => {
    expect(taken(receipt(STORED, 1, 3), receipt(HANDLED, 1, 2), receipt(STORED, 4, 9), receipt(HANDLED, 3, 9))).toEqual(
      [receipt(STORED, 1, 9), receipt(HANDLED, 1, 9)]
    )
  })

  it('stay apart where something is between them', () => {
    expect(taken(receipt(HANDLED, 1, 3), receipt(HANDLED, 5, 9))).toEqual([
      receipt(HANDLED, 1, 3),
      receipt(HANDLED, 5, 9)
    ])
  })

  it('tell what was skipped before a mark that includes it', () => {
    expect(taken(receipt(STORED, 1, 9), receipt(REJECTED, 4, 5, SKIPPED))).toEqual([
      receipt(REJECTED, 4, 5, SKIPPED),
      receipt(STORED, 1, 9)
    ])
  })

  it('keep the reasons of apps apart', () => {
    const [bad, worse] = [receipt(REJECTED, 4, 4, 'bad'), receipt(REJECTED, 5, 5, 'worse')]
    expect(taken(bad, worse, receipt(STORED, 1, 9))).toEqual([receipt(STORED, 1, 9), bad, worse])
  })

  it('keep lanes and epochs apart', () => {
    const receipts = [
      receipt(STORED, 1, 1),
      { ...receipt(STORED, 2, 2), lane: 1_026 },
      { ...receipt(STORED, 3, 3), epoch: other }
    ]
    expect(taken(...receipts)).toEqual(receipts)
  })

  it('leave no faster than they are taken, and go on becoming one meanwhile', () => {
    const queue = new ReceiptQueue()
    const tell = (seq: number) => {
      for (let lane = 2_000; lane < 3_000; lane++) queue.add({ ...receipt(STORED, seq, seq), lane })
    }
    tell(1)
    expect(queue.take(64)).toHaveLength(64)
    for (let seq = 2; seq <= 50; seq++) tell(seq)
    const rest = queue.take(Number.POSITIVE_INFINITY)
    expect(rest).toHaveLength(1_000)
    expect(rest[0]).toEqual({ ...receipt(STORED, 1, 50), lane: 2_064 })
  })
})
