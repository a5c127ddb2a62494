/**
 * How is nginx set up as the reverse proxy that everything is compared with? One worker, kept-alive connections, no buffering of answers.
 */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Launch, Place } from "../targets.ts";

export function nginx(place: Place): Launch {
  if (spawnSync("nginx", ["-v"]).error !== undefined) {
    return { unavailable: "not installed: apt-get install nginx" };
  }
  const file = join(place.folder, "nginx.conf");
  writeFileSync(file, configOf(place));
  return { argv: ["nginx", "-p", place.folder, "-c", file, "-e", join(place.folder, "nginx.log")] };
}

function configOf({ folder, port, upstreamPort }: Place): string {
  return `
daemon off;
pid ${folder}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 65536;
error_log ${folder}/nginx.log error;
events { worker_connections 30000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_buffer_size 2m;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream provider { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`;
}
