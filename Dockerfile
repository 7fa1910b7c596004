# The image of the operator and of its Jobs: Node and the bundle.
#
#   docker build -t glance-schema:0.1.0 .
#
# With the clients of PostgreSQL and MariaDB beside them, for spec.backup, `db backup` and `db restore`:
#
#   docker build --target with-clients -t glance-schema:0.1.0-with-clients .
#
# It carries the kubectl plugin too, which needs Node 24 where it runs:
#
#   docker run --rm --entrypoint cat glance-schema:0.1.0 /app/kubectl-glanceschema.cjs >kubectl-glanceschema
#
# The bases are arguments, so that a mirror or a distroless Node can stand in their place.
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=node:24-bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-progress
COPY scripts/build.ts scripts/licences.ts scripts/never-loaded.ts scripts/
COPY src src
COPY migrations migrations
COPY tsconfig.json ./
RUN node scripts/build.ts

FROM ${RUNTIME_IMAGE} AS operator
LABEL org.opencontainers.image.title="glance-schema" \
      org.opencontainers.image.description="Keeps the schema of an OpenStack Glance database at the revision that you name" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/dist/ /app/
# Ours; those of the packages in it come with the bundle, as THIRD-PARTY-LICENSES.txt.
COPY LICENSE /app/
# A number, as `runAsNonRoot` cannot be checked against a name.
USER 65532:65532
ENV NODE_ENV=production
# Node would take 128 MiB for young objects as soon as there is much to do; with this it takes 8.
ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/glance-schema.js"]

# Debian's clients; the base has to have apt-get.
FROM operator AS with-clients
USER 0:0
RUN apt-get update && \
    apt-get install --yes --no-install-recommends mariadb-client postgresql-client && \
    rm -rf /var/lib/apt/lists/*
USER 65532:65532

# The last one is what is built where no target is named.
FROM operator
