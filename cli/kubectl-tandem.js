#!/usr/bin/env node
/**
 * How does `kubectl tandem …` work? kubectl starts what is called kubectl-tandem on the PATH, and tells it nothing: so the
 * cluster is the one that kubectl itself would take. Plain JavaScript for the same reason as bin.js.
 */
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const [first] = (process.env.KUBECONFIG ?? "").split(delimiter);
process.env.TANDEM_KUBECONFIG ||= first || join(homedir(), ".kube", "config");
await import("./bin.js");
