/** Do models speak in chats as the real ones do, and know only what they said themselves? */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatCompletionMessageParam as Message } from "openai/resources/chat/completions";
import { all, startForms, status } from "./each-form.ts";

const forms = await startForms();
const HELLO: Message = { role: "user", content: "Hello" };
const SOUND = {
  modalities: ["text", "audio"] as ("text" | "audio")[],
  audio: { voice: "alloy", format: "pcm16" } as const,
};

function after(id: string): Message[] {
  return [HELLO, { role: "assistant", audio: { id } }, { role: "user", content: "And?" }];
}

for (const { name, client, models } of forms) {
  const spoken = { ...SOUND, model: models.chat };
  const { completions } = client.chat;

  test(`${name}: what is said aloud can be named in the next turn, and nothing else`, async () => {
    const { choices } = await completions.create({ ...spoken, messages: [HELLO], n: 2 });
    const [first, second] = choices.map(({ message }) => message);
    assert.ok(first?.audio && second?.audio);
    assert.deepEqual([first.content, first.refusal], [null, null]);
    assert.match(first.audio.id, /^audio_[0-9a-f]{32}$/);
    assert.notEqual(first.audio.id, second.audio.id);
    assert.ok(first.audio.transcript !== "" && Buffer.from(first.audio.data, "base64").length > 0);
    assert.ok(first.audio.expires_at > Date.now() / 1000);
    for (const { id } of [first.audio, second.audio]) {
      const next = await completions.create({ model: models.chat, messages: after(id) });
      assert.ok(next.choices[0]?.message.content && !next.choices[0].message.audio);
    }
    const unknown = completions.create({ model: models.chat, messages: after("audio_none") });
    await assert.rejects(unknown, {
      status: 400,
      code: "audio_not_found",
      param: "content.messages[1].audio.id",
      message: "400 Assistant audio audio_none not found.",
    });
  });

  test(`${name}: a stream brings words, sound and its end under one id`, async () => {
    const chunks = await all(await completions.create({ ...spoken, messages: [HELLO], stream: true }));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta as { audio?: Partial<Sound> }));
    const said = deltas.flatMap(({ audio }) => (audio ? [audio] : []));
    assert.equal(new Set(said.map(({ id }) => id)).size, 1);
    assert.ok(said.some(({ transcript }) => transcript) && said.some(({ data }) => data));
    assert.ok(said.at(-1)?.expires_at);
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "stop");
    await completions.create({ model: models.chat, messages: after(said[0]?.id ?? "") });
  });

  test(`${name}: sound is asked for with a voice and a format, in streams with the raw one`, async () => {
    const wav = { ...spoken, messages: [HELLO], audio: { voice: "alloy", format: "wav" as const } };
    assert.ok((await completions.create(wav)).choices[0]?.message.audio);
    await assert.rejects(completions.create({ ...wav, stream: true }), status(400));
    const { audio: _audio, ...without } = wav;
    await assert.rejects(completions.create(without), status(400));
    await assert.rejects(completions.create({ ...wav, audio: { voice: "alloy" } as typeof wav.audio }), status(400));
    // Sound that is described and not asked for is not made.
    const silent = await completions.create({ ...wav, modalities: ["text"] });
    assert.ok(silent.choices[0]?.message.content && !silent.choices[0].message.audio);
  });
}

interface Sound {
  readonly id: string;
  readonly data: string;
  readonly transcript: string;
  readonly expires_at: number;
}
