# Tandem's container image, for those with Docker. `npm run image` makes one of the same content without it.
FROM node:26-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./
COPY package.json LICENSE ./
COPY crds ./crds
COPY examples ./examples
# Nothing here is written to: it runs with a read-only root file system too.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["node", "/app/cli/bin.js"]
