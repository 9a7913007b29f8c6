import { codec } from "../../../proto/codec.ts";
import { otlp } from "../../../proto/gen/otlp.js";
import { answer } from "./answer.ts";

const NAME = "otlp.ExportTraceServiceRequest";

/** Spans that agents send to their host. */
export const receivedSpans = answer(NAME, otlp.ExportTraceServiceRequest);

/** Spans for a collector. */
export const sentSpans = codec(NAME, otlp.ExportTraceServiceRequest);
