/** Many more cases, other ones each time. The seed is told: `FUZZ_SEED=… npm run test:long` runs them again. */
process.env.FUZZ_TIMES ??= "20";
process.env.FUZZ_SEED ??= String(Date.now() % 1_000_000_000);

await import("./json-scan.test.ts");
await import("./body-scan.test.ts");
await import("./splice.test.ts");
await import("./reader.test.ts");
