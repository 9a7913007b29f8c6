/**
 * Kinds of contents of the fields of agents' messages. Fields without a rule hold a name, a count or a list of them.
 *
 * - name: 1024 characters, none of which controls a terminal
 * - text: 64 Ki characters for people, in one line; what controls a terminal is made visible
 * - document: as long as its message; whoever prints it makes it visible
 * - data: bytes, as long as their message
 */
export type Rule = "name" | "text" | "document" | "data" | { readonly [field: string]: Rule };

export const MAX_NAME = 1024;
export const MAX_TEXT = 1 << 16;
/** Most items of a list or map. */
export const MAX_ITEMS = 8192;
/** Most bytes of an identity, such as an epoch, or of a file's name. */
export const MAX_BYTES = 1024;

/** Rules by the full names of messages, for fields that hold more than names and counts. */
export const FIELD_RULES: Readonly<Record<string, Rule>> = {
  "grpc.ReadStreamResponse": { data: "data" },
  "grpc.GetIPTablesResponse": { data: "data" },
  "grpc.SetIPTablesResponse": { data: "data" },
  "grpc.Metrics": { metrics: "document" },
  "grpc.GetDiagnosticDataResponse": { data: "document" },
  "grpc.VolumeStatsResponse": { volume_condition: { message: "text" } },
  "guestd.v1.ExplainResponse": { steps: { object: "text", reason: "text" } },
  "guestd.v1.QuiesceResponse": { losses: { object: "text", consequence: "text" } },
  "guestd.v1.RunningResponse": { left_reason: "text" },
  "guestd.v1.Failure": { message: "text" },
  "guestd.v1.ForwardRefusal": { message: "text" },
  "guestd.v1.Gap": { reason: "text" },
  "guestd.v1.CaptureEnd": { reason: "text" },
  "guestd.v1.CopyEnd": { notes: "text" },
  "guestd.v1.CoreList": { cores: { command: "document" } },
  "guestd.v1.CoreStart": { core: { command: "document" } },
  "otlp.ExportTraceServiceRequest": "text",
};
