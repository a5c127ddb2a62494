/**
 * What does a refusal look like on the wire, for each provider?
 *
 * Bodies follow the shapes that OpenAI's specification requires (`message`, `type`, `param`, `code`) and those that
 * are seen from Azure (often only `code` and `message`; the token's 401 has no envelope at all).
 */

/** An answer that is not a 2xx. `body` is sent as JSON unless it is a string. */
export interface Failure {
  readonly kind: "failure";
  readonly status: number;
  readonly body: unknown;
  /** Flat list: name, value, name, value. */
  readonly headers?: readonly string[];
  readonly contentType?: string;
}

export function openaiError(
  status: number,
  message: string,
  details: { type?: string; param?: string | null; code?: string | null; headers?: readonly string[] } = {},
): Failure {
  const { type = "invalid_request_error", param = null, code = null, headers } = details;
  return { kind: "failure", status, body: { error: { message, type, param, code } }, ...(headers && { headers }) };
}

/** Azure's front door speaks in code and message only; what the model itself refuses has OpenAI's shape on both. */
export function azureError(status: number, code: string, message: string, headers?: readonly string[]): Failure {
  return { kind: "failure", status, body: { error: { code, message } }, ...(headers && { headers }) };
}

/** A parameter that the model refuses: the same body on both providers. */
export function invalidRequest(message: string, param: string | null = null, code: string | null = null): Failure {
  return openaiError(400, message, { param, code });
}

export function unsupportedParameter(name: string, instead?: string): Failure {
  const hint = instead ? ` Use '${instead}' instead.` : "";
  return invalidRequest(
    `Unsupported parameter: '${name}' is not supported with this model.${hint}`,
    name,
    "unsupported_parameter",
  );
}

export function contextLengthExceeded(limit: number, asked: number, param = "messages"): Failure {
  return invalidRequest(
    `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${asked} tokens. Please reduce the length of the messages.`,
    param,
    "context_length_exceeded",
  );
}

export const OPENAI_ERRORS = {
  missingKey: openaiError(
    401,
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    { headers: ["www-authenticate", 'Bearer realm="OpenAI API"'] },
  ),
  /** The key comes back shortened, as OpenAI does, so that nobody's log holds it. */
  wrongKey: (key: string) =>
    openaiError(
      401,
      `Incorrect API key provided: ${shortened(key)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
      { code: "invalid_api_key", headers: ["www-authenticate", 'Bearer realm="OpenAI API"'] },
    ),
  unknownUrl: (method: string, path: string) => openaiError(404, `Invalid URL (${method} ${path})`),
  wrongMethod: (method: string, path: string) =>
    openaiError(405, `Invalid method for URL (${method} ${path})`, { code: "method_not_allowed" }),
  unknownModel: (model: string) =>
    openaiError(404, `The model \`${model}\` does not exist or you do not have access to it.`, {
      code: "model_not_found",
    }),
  missingModel: openaiError(400, "you must provide a model parameter"),
  malformedJson: openaiError(
    400,
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
  ),
  malformedForm: openaiError(400, "Could not parse multipart form."),
  wrongContentType: (type: string) =>
    openaiError(
      400,
      `Unsupported content type: '${type}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: ${type}'.`,
      { code: "unsupported_content_type" },
    ),
  notAChatModel: openaiError(
    404,
    "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
    { param: "model" },
  ),
  wrongOperation: (model: string) =>
    openaiError(403, `You are not allowed to generate this kind of answer from model ${model}.`, { param: "model" }),
  /** 400, not the 403 of other operations (https://github.com/openai/openai-node/issues/56). */
  notAModerationModel: (model: string) => openaiError(400, `The value '${model}' of 'model' is not valid here.`),
  bodyTooLarge: openaiError(413, "Request body is too large."),
} as const;

export const AZURE_ERRORS = {
  wrongKey: azureError(
    401,
    "401",
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.",
  ),
  /** No `error` envelope: this answer comes from the token check in front of the service. */
  wrongToken: {
    kind: "failure",
    status: 401,
    body: {
      statusCode: 401,
      message:
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired.",
    },
  } satisfies Failure,
  resourceNotFound: azureError(404, "404", "Resource not found"),
  deploymentNotFound: azureError(
    404,
    "DeploymentNotFound",
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.",
  ),
  versionOnV1: azureError(400, "BadRequest", "api-version query parameter is not allowed when using /v1 path"),
  operationNotSupported: (operation: string, model: string) =>
    azureError(
      400,
      "OperationNotSupported",
      `The ${operation} operation does not work with the specified model, ${model}. Please choose different model and try again. You can learn more about which models can be used with each operation here: https://go.microsoft.com/fwlink/?linkid=2197993.`,
    ),
  malformedJson: azureError(400, "BadRequest", "The request body could not be parsed as JSON."),
  malformedForm: azureError(400, "invalidPayload", "The multipart form of the request could not be read."),
  wrongContentType: azureError(415, "UnsupportedMediaType", "The content type of the request is not application/json."),
  tooManyHeaders: azureError(431, "431", "Request Header Fields Too Large"),
  bodyTooLarge: azureError(413, "RequestEntityTooLarge", "The request body is too large."),
} as const;

function shortened(key: string): string {
  return key.length < 12 ? "*".repeat(key.length) : `${key.slice(0, 3)}${"*".repeat(8)}${key.slice(-4)}`;
}
