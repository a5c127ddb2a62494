/** Who is who in the cluster? One authority, and a certificate for each part, made with openssl. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./commands.ts";

const DAYS = 365;
export const NODE_NAME = "node1";

interface Identity {
  readonly name: string;
  /** The user's name. */
  readonly commonName: string;
  /** The group. */
  readonly organization: string;
  /** A server's certificate: the names and addresses under which it is called. */
  readonly serves?: string;
}

/** Makes `ca`, `service-accounts` and the identities, each a `.crt` and a `.key`. */
export async function makeKeys(folder: string, addresses: readonly string[]): Promise<void> {
  // Nothing of the system's own configuration is wanted.
  await writeFile(join(folder, "openssl.cnf"), "[req]\ndistinguished_name=name\n[name]\n");
  await Promise.all([makeAuthority(folder), makeServiceAccountKey(folder)]);
  await Promise.all(identities(addresses).map((identity) => makeCertificate(folder, identity)));
}

function identities(addresses: readonly string[]): readonly Identity[] {
  const serves = addresses.map((address) => `IP:${address}`).join(",");
  const names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost";
  return [
    { name: "apiserver", commonName: "kube-apiserver", organization: "tandem", serves: `${serves},${names}` },
    { name: "apiserver-to-kubelet", commonName: "kube-apiserver", organization: "system:masters" },
    { name: "admin", commonName: "admin", organization: "system:masters" },
    client("kube-controller-manager"),
    client("kube-scheduler"),
    { name: "kube-proxy", commonName: "system:kube-proxy", organization: "system:node-proxier" },
    { name: "kubelet", commonName: `system:node:${NODE_NAME}`, organization: "system:nodes", serves },
  ];
}

function client(name: string): Identity {
  return { name, commonName: `system:${name}`, organization: `system:${name}` };
}

async function makeAuthority(folder: string): Promise<void> {
  const extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature"];
  await request(folder, "ca", "/CN=tandem-cluster", [], extensions);
}

async function makeCertificate(folder: string, identity: Identity): Promise<void> {
  const { name, commonName, organization, serves } = identity;
  const signedBy = ["-CA", join(folder, "ca.crt"), "-CAkey", join(folder, "ca.key")];
  await request(folder, name, `/O=${organization}/CN=${commonName}`, signedBy, [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    `extendedKeyUsage=clientAuth${serves === undefined ? "" : ",serverAuth"}`,
    ...(serves === undefined ? [] : [`subjectAltName=${serves}`]),
  ]);
}

async function request(
  folder: string,
  name: string,
  subject: string,
  signedBy: readonly string[],
  extensions: readonly string[],
): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.crt`)];
  const config = ["-config", join(folder, "openssl.cnf"), "-days", String(DAYS), "-subj", subject];
  const added = extensions.flatMap((extension) => ["-addext", extension]);
  await run("openssl", ["req", "-x509", ...config, ...key, ...files, ...signedBy, ...added]);
}

/** Signs the tokens of service accounts. */
async function makeServiceAccountKey(folder: string): Promise<void> {
  const key = join(folder, "service-accounts.key");
  await run("openssl", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key]);
  await run("openssl", ["pkey", "-in", key, "-pubout", "-out", join(folder, "service-accounts.pub")]);
}

/** A kubeconfig (JSON, which is YAML) that holds all that it needs. */
export async function kubeconfigOf(folder: string, name: string, server: string): Promise<string> {
  const [ca, certificate, key] = await Promise.all(
    ["ca.crt", `${name}.crt`, `${name}.key`].map(async (file) =>
      (await readFile(join(folder, file))).toString("base64"),
    ),
  );
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "tandem", cluster: { server, "certificate-authority-data": ca } }],
    users: [{ name, user: { "client-certificate-data": certificate, "client-key-data": key } }],
    contexts: [{ name: "tandem", context: { cluster: "tandem", user: name } }],
    "current-context": "tandem",
  });
}
