/**
 * Kinds of contents of the fields of agents' messages. Fields without a rule hold a name, a count or a list of them.
 *
 * - name: 1024 characters, none of which controls a terminal
 * - id: 256 characters, as many as an agent accepts of a host; the same otherwise
 * - text: 64 Ki characters for people, in one line; what controls a terminal is made visible
 * - document: as long as its message; whoever prints it makes it visible
 * - data: bytes, as long as their message
 * - date: milliseconds since 1970 that a Date can have
 */
export type Rule = "name" | "id" | "text" | "document" | "data" | "date" | { readonly [field: string]: Rule };

/** Most characters by rule. */
export const MAX_CHARACTERS = { name: 1024, id: 256, text: 1 << 16 };
/** Most items of a list or map. */
export const MAX_ITEMS = 8192;
/** Most bytes of an identity, such as an epoch, or of a file's name. */
export const MAX_BYTES = 1024;
/** Last moment of a Date, in ms since 1970. */
export const MAX_DATE = 8.64e15;

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
  "guestd.v1.Event": { ms: "date", container_id: "id", exec_id: "id", core_cut: "id" },
  "guestd.v1.WatchUpdate": {
    containers: { id: "id" },
    processes: { container_id: "id", exec_id: "id" },
    forwards: { id: "id" },
    removed_containers: "id",
    removed_forwards: "id",
  },
  "guestd.v1.Time": { ms: "date" },
  "guestd.v1.Gap": { reason: "text" },
  "guestd.v1.CaptureInterface": { name: "text" },
  "guestd.v1.CaptureEnd": { reason: "text" },
  "guestd.v1.CopyEnd": { notes: "text" },
  "guestd.v1.CoreList": { cores: { ms: "date", command: "document" } },
  "guestd.v1.CoreStart": { core: { ms: "date", command: "document" } },
  "otlp.ExportTraceServiceRequest": "text",
};
