/** How are trainings started, watched, paused, resumed and cancelled? */

import type { Answer, Call } from "../call.ts";
import { findModel, snapshotName } from "../catalog.ts";
import { AZURE_ERRORS, type Failure, invalidRequest, OPENAI_ERRORS } from "../errors.ts";
import { newHexId, newId } from "../ids.ts";
import { isObject } from "./chat-request.ts";
import { keepFile } from "./files.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, type Operation } from "./operation.ts";
import { listAnswer } from "./paging.ts";
import { missingFile } from "./references.ts";

const RUNNING = ["validating_files", "queued", "running"];
const STEPS = 3;
const HYPERPARAMETERS = { n_epochs: 3, batch_size: 1, learning_rate_multiplier: 2 };

export interface TrainingJob {
  readonly id: string;
  readonly suffix: string;
  body: { readonly id: string; readonly status: string; readonly [field: string]: unknown };
  /** Oldest first. */
  readonly events: { readonly id: string; readonly [field: string]: unknown }[];
  readonly checkpoints: { readonly id: string; readonly [field: string]: unknown }[];
}

const COMMON = {
  body: "none",
  onOpenai: true,
  onAzure: { dated: "root", v1: true },
  azureNames: { operation: "FineTuning", action: "fineTuning" },
} as const satisfies Partial<Operation>;

/** Pausing came to Azure's dated versions last. */
const PAUSING = { ...COMMON, onAzure: { dated: "root", since: "2025-03-01-preview", v1: true } } as const;

export const createJob: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.create",
  method: "POST",
  path: "fine_tuning/jobs",
  body: "json",
  run: create,
};
export const listJobs: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.list",
  method: "GET",
  path: "fine_tuning/jobs",
  run: (call, _body, desk) =>
    listAnswer(
      call,
      desk.shelf.jobs.values().map((job) => job.body),
    ),
};
export const getJob: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.retrieve",
  method: "GET",
  path: "fine_tuning/jobs/{fine_tuning_job_id}",
  run: withJob((job) => json(job.body)),
};
export const cancelJob: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.cancel",
  method: "POST",
  path: "fine_tuning/jobs/{fine_tuning_job_id}/cancel",
  body: "json",
  bodyOptional: true,
  run: withJob((job) => {
    if (![...RUNNING, "paused"].includes(job.body.status)) return wrongState(job, "cancel");
    enter(job, "cancelled", "The job was cancelled.", { finished_at: now() });
    return json(job.body);
  }),
};
export const pauseJob: Operation = {
  ...PAUSING,
  name: "fine_tuning.jobs.pause",
  method: "POST",
  path: "fine_tuning/jobs/{fine_tuning_job_id}/pause",
  body: "json",
  bodyOptional: true,
  run: withJob((job) => {
    if (!RUNNING.includes(job.body.status)) return wrongState(job, "pause");
    enter(job, "paused", "The job was paused.");
    return json(job.body);
  }),
};
export const resumeJob: Operation = {
  ...PAUSING,
  name: "fine_tuning.jobs.resume",
  method: "POST",
  path: "fine_tuning/jobs/{fine_tuning_job_id}/resume",
  body: "json",
  bodyOptional: true,
  run: withJob((job, call, desk) => {
    if (job.body.status !== "paused") return wrongState(job, "resume");
    enter(job, "queued", "The job was resumed.");
    goOn(job, call, desk);
    return json(job.body);
  }),
};
export const listJobEvents: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.events.list",
  method: "GET",
  path: "fine_tuning/jobs/{fine_tuning_job_id}/events",
  run: withJob((job, call) => listAnswer(call, job.events)),
};
export const listJobCheckpoints: Operation = {
  ...COMMON,
  name: "fine_tuning.jobs.checkpoints.list",
  method: "GET",
  path: "fine_tuning/jobs/{fine_tuning_job_id}/checkpoints",
  run: withJob((job, call) => listAnswer(call, job.checkpoints)),
};

function withJob(answer: (job: TrainingJob, call: Call, desk: Desk) => Answer | Failure): Operation["run"] {
  return (call, _body, desk) => {
    const id = idOf(call, "fine_tuning_job_id");
    const job = desk.shelf.jobs.get(id);
    return job ? answer(job, call, desk) : notFound(call, `Could not find fine tune: ${id}`, "fine_tuning_job_id");
  };
}

function wrongState(job: TrainingJob, verb: string): Failure {
  return invalidRequest(`Job has status '${job.body.status}' and cannot be asked to ${verb}.`, null, "invalid_status");
}

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const missing = ["model", "training_file"].find((name) => typeof body[name] !== "string");
  if (missing !== undefined)
    return invalidRequest(`Missing required parameter: '${missing}'.`, missing, "missing_required_parameter");
  const model = findModel(desk.settings.models, String(body.model));
  if (!model || (call.provider === "azure" && !model.onAzure))
    return call.provider === "openai" ? OPENAI_ERRORS.unknownModel(String(body.model)) : AZURE_ERRORS.resourceNotFound;
  const wrong =
    wrongFile(call, body.training_file, "training_file", desk) ??
    wrongFile(call, body.validation_file, "validation_file", desk);
  if (wrong) return wrong;
  const id = call.provider === "openai" ? newId("ftjob-") : newHexId("ftjob-");
  const job: TrainingJob = {
    id,
    suffix: typeof body.suffix === "string" ? body.suffix : "",
    body: jobBody(id, body, snapshotName(model)),
    events: [],
    checkpoints: [],
  };
  desk.shelf.jobs.put(id, job);
  enter(job, "validating_files", `Created fine-tuning job: ${id}`);
  goOn(job, call, desk);
  return json(job.body);
}

function wrongFile(call: Call, id: unknown, param: string, desk: Desk): Failure | undefined {
  if (id === undefined || id === null) return undefined;
  const file = desk.shelf.files.get(String(id));
  if (!file) return missingFile(call, String(id), param);
  return file.purpose === "fine-tune"
    ? undefined
    : invalidRequest(
        `File '${file.id}' has the purpose '${file.purpose}', not 'fine-tune'.`,
        param,
        "invalid_file_purpose",
      );
}

function jobBody(id: string, body: JsonObject, model: string): TrainingJob["body"] {
  const given = isObject(body.hyperparameters) ? body.hyperparameters : {};
  const hyperparameters = { ...HYPERPARAMETERS, ...given };
  return {
    id,
    object: "fine_tuning.job",
    created_at: now(),
    error: null,
    fine_tuned_model: null,
    finished_at: null,
    hyperparameters,
    model,
    organization_id: "org-simulated",
    result_files: [],
    status: "validating_files",
    trained_tokens: null,
    training_file: body.training_file,
    validation_file: body.validation_file ?? null,
    integrations: body.integrations ?? [],
    seed: body.seed ?? 0,
    estimated_finish: null,
    method: body.method ?? { type: "supervised", supervised: { hyperparameters } },
    metadata: body.metadata ?? {},
  };
}

function enter(job: TrainingJob, status: string, message: string, more: JsonObject = {}): void {
  job.body = { ...job.body, ...more, status };
  const event = { object: "fine_tuning.job.event", id: newId("ftevent-"), created_at: now(), level: "info", message };
  job.events.push({ ...event, type: "message", data: {} });
}

/** One state a step, as long as nobody pauses or cancels it. */
function goOn(job: TrainingJob, call: Call, desk: Desk): void {
  const expected = job.body.status;
  desk.later.step(() => {
    if (job.body.status !== expected) return;
    if (expected === "validating_files") enter(job, "queued", "Files validated, moving job to queued state");
    else if (expected === "queued") enter(job, "running", "Fine-tuning job started");
    else return succeed(job, call, desk);
    goOn(job, call, desk);
  });
}

function succeed(job: TrainingJob, call: Call, desk: Desk): void {
  const trained = `ft:${String(job.body.model)}:simulated:${job.suffix}:${job.id.slice(-8)}`;
  for (let step = 1; step <= STEPS; step += 1) {
    job.checkpoints.push({
      object: "fine_tuning.job.checkpoint",
      id: newId("ftckpt_"),
      created_at: now(),
      fine_tuning_job_id: job.id,
      fine_tuned_model_checkpoint: step === STEPS ? trained : `${trained}:ckpt-step-${step}`,
      step_number: step,
      metrics: { step, train_loss: 1 / step, train_mean_token_accuracy: 1 - 1 / (step + 1) },
    });
  }
  const content = Buffer.from("step,train_loss\n1,1\n2,0.5\n3,0.333\n");
  const result = keepFile(call, desk, { filename: "step_metrics.csv", purpose: "fine-tune-results", content });
  const training = desk.shelf.files.get(String(job.body.training_file));
  const tokens = desk.counter.count(training?.content.toString() ?? "") * HYPERPARAMETERS.n_epochs;
  enter(job, "succeeded", "The job has successfully completed", {
    fine_tuned_model: trained,
    finished_at: now(),
    result_files: [result.id],
    trained_tokens: tokens,
  });
}
