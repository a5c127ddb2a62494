/** Does much more of what the documents allow go through as it is? */
process.env.TANDEM_GENERATED ??= "100";
await import("./generated.test.ts");
await import("./generated-streams.test.ts");
