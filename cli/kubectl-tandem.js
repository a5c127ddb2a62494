#!/usr/bin/env node
/**
 * How does `kubectl tandem …` work? kubectl starts what is called kubectl-tandem on the PATH, and tells it nothing: so the
 * cluster is the one that kubectl itself would take (see kubeconfig.ts). Plain JavaScript for the same reason as bin.js.
 */
process.env.TANDEM_STARTED_BY_KUBECTL = "1";
await import("./bin.js");
