/**
 * What does http-proxy-middleware on express cost, set up as its documentation says and with kept-alive connections?
 *
 * Usage: node hpm.ts UPSTREAM_PORT PORT
 */

import http from "node:http";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const [upstreamPort, port] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 1024 });
const app = express();
app.use(createProxyMiddleware({ target: `http://127.0.0.1:${upstreamPort}`, changeOrigin: true, agent }));
http.createServer(app).listen({ port, host: "127.0.0.1", backlog: 4096 });
