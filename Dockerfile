# The image of the operator and of its Jobs: Node and the bundle.
#
#   docker build -t glance-schema:0.1.0 .
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

FROM ${RUNTIME_IMAGE}
COPY --from=build /src/dist/ /app/
# Ours; those of the packages in it come with the bundle, as THIRD-PARTY-LICENSES.txt.
COPY LICENSE /app/
# A number, as `runAsNonRoot` cannot be checked against a name.
USER 65532:65532
ENV NODE_ENV=production
# Node would take 128 MiB for young objects as soon as there is much to do; with this it takes 8.
ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/glance-schema.js"]
