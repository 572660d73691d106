# Parley in a container:
#
#   docker build -t parley .
#   docker run -d --name parley -v parley:/var/lib/parley -p 7390:7390 parley
#   docker exec parley parley status

FROM node:24-slim AS manifests
WORKDIR /parley
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY protocol/package.json protocol/
COPY config/package.json config/
COPY client-sdk/package.json client-sdk/
COPY daemon/package.json daemon/
COPY test/package.json test/

FROM manifests AS build
RUN npm ci
COPY protocol protocol
COPY config config
COPY client-sdk client-sdk
COPY daemon daemon
RUN npx tsc -b daemon

FROM manifests AS production
RUN npm ci --omit=dev --omit=optional --workspace=@parley/daemon && \
    rm -r package-lock.json .npmrc tsconfig.json test
COPY --from=build /parley/protocol/dist protocol/dist
COPY --from=build /parley/config/dist config/dist
COPY --from=build /parley/client-sdk/dist client-sdk/dist
COPY --from=build /parley/daemon/dist daemon/dist
COPY --from=build /parley/daemon/bin daemon/bin

FROM node:24-slim
WORKDIR /opt/parley
COPY --from=production /parley ./
RUN ln -s /opt/parley/daemon/bin/parley.js /usr/local/bin/parley && \
    ln -s /opt/parley/daemon/bin/parleyd.js /usr/local/bin/parleyd && \
    install -d -o node -g node -m 0700 /var/lib/parley

ENV NODE_ENV=production
ENV PARLEY_HOME=/var/lib/parley
USER node
WORKDIR /var/lib/parley
VOLUME /var/lib/parley
EXPOSE 7390
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["parley", "status"]
ENTRYPOINT ["parleyd"]
