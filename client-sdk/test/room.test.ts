import { describe, expect, it } from 'vitest'
import { Room, type RoomEntry } from '../src/room.ts'

function entryOf(name: string, told: string[], room: Room, count: number, bytes: number): RoomEntry {
  return {
    admit: () => {
      told.push(`${name} in`)
      room.hold(count, bytes)
    },
    failed: () => told.push(`${name} failed`)
  }
}

describe('Room', () => {
  it.each([
    ['messages', 10_000, 0],
    ['bytes', 1, 8 * 1024 * 1024]
  ])('lets nobody in once it is full of %s, then who came first', (_what, count, bytes) => {
    const room = new Room()
    const told: string[] = []
    const enter = (name: string, ownCount: number, ownBytes: number) =>
      room.enter(entryOf(name, told, room, ownCount, ownBytes))
    expect(enter('first', count, bytes)).toBe(true)
    expect(enter('second', count, bytes)).toBe(false)
    expect(enter('third', 1, 1)).toBe(false)
    room.release(count, bytes)
    // There is space, and yet whoever comes now goes behind those who wait.
    expect(enter('fourth', 1, 1)).toBe(false)
    room.admitWaiting()
    expect(told).toEqual(['first in', 'second in'])
    room.release(count, bytes)
    room.admitWaiting()
    expect(told).toEqual(['first in', 'second in', 'third in', 'fourth in'])
  })

  it('is empty when nothing is held and nobody waits', () => {
    const room = new Room()
    const told: string[] = []
    room.enter(entryOf('first', told, room, 10_000, 1))
    const second = entryOf('second', told, room, 1, 1)
    room.enter(second)
    room.release(10_000, 1)
    expect(room.isEmpty).toBe(false)
    room.leave(second)
    expect(room.isEmpty).toBe(true)
  })

  it('fails those who wait, and holds what it held', () => {
    const room = new Room()
    const told: string[] = []
    room.enter(entryOf('first', told, room, 10_000, 1))
    room.enter(entryOf('second', told, room, 1, 1))
    room.failWaiting(new Error('over'))
    expect(told).toEqual(['first in', 'second failed'])
    expect(room.isEmpty).toBe(false)
  })
})
