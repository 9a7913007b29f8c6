import { guestd } from "../../../proto/gen/messages.js";
import { otlp } from "../../../proto/gen/otlp.js";

/** Values of enums, which are not messages. */
export const STREAM_MODES = guestd.v1.StreamMode;
export const EVENT_TYPES = guestd.v1.EventType;
export const WATCHED_STATES = guestd.v1.WatchedState;
export const AGENT_REPLACEMENTS = guestd.v1.AgentReplacement;
export const SPAN_KINDS = otlp.SpanKind;
export const STATUS_CODES = otlp.StatusCode;
