/** What does an application see that asks once, with the official client, which does not ask again by itself? */
import OpenAI, { APIError } from "openai";
import { DEMO_KEY } from "../cli/tandem.ts";

export interface Heard {
  readonly outcome: "success" | "error" | "hang";
  readonly text: string;
  readonly error: string | undefined;
  readonly tookMs: number;
  readonly model: string | undefined;
  readonly usage: boolean;
}

const PROMPT = "Explain in sixty words why a gateway earns its trust only on a bad day.";

/** A streamed chat. After `patience` milliseconds it is taken to hang. */
export async function call(url: string, model: string, patience: number): Promise<Heard> {
  const client = new OpenAI({ apiKey: DEMO_KEY, baseURL: `${url}/v1`, maxRetries: 0, timeout: patience });
  const began = performance.now();
  const signal = AbortSignal.timeout(patience);
  const heard = { text: "", model: undefined as string | undefined, usage: false };
  const ended = (outcome: Heard["outcome"], error?: string): Heard => {
    return { ...heard, outcome, error, tookMs: performance.now() - began };
  };
  try {
    const stream = await client.chat.completions.create(
      {
        model,
        messages: [{ role: "user", content: PROMPT }],
        stream: true,
        stream_options: { include_usage: true },
      },
      { signal },
    );
    for await (const chunk of stream) {
      heard.text += chunk.choices[0]?.delta.content ?? "";
      heard.model = chunk.model || heard.model;
      heard.usage ||= (chunk.usage?.total_tokens ?? 0) > 0;
    }
    return ended(signal.aborted ? "hang" : "success");
  } catch (error) {
    if (signal.aborted) return ended("hang");
    const said = error instanceof APIError ? `${error.status ?? "in the stream"} ${error.code}` : String(error);
    return ended("error", said);
  }
}
