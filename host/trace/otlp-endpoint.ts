/** Where OTLP goes over HTTP. */
export interface OtlpEndpoint {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Path below OTEL_EXPORTER_OTLP_ENDPOINT. */
const TRACES_PATH = "v1/traces";

/**
 * Returns the collector that OpenTelemetry's variables name: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or
 * OTEL_EXPORTER_OTLP_ENDPOINT, with the headers of OTEL_EXPORTER_OTLP_HEADERS. Undefined if neither is set, or with
 * OTEL_SDK_DISABLED=true. Throws a one-line Error for a value that is no HTTP URL, or another protocol.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export function otlpEndpoint(env: NodeJS.ProcessEnv = process.env): OtlpEndpoint | undefined {
  const own = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || undefined;
  const base = env["OTEL_EXPORTER_OTLP_ENDPOINT"] || undefined;
  if ((own ?? base) === undefined || env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  const protocol = env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] || env["OTEL_EXPORTER_OTLP_PROTOCOL"] || "http/protobuf";
  if (protocol !== "http/protobuf") {
    throw new Error(`OTEL_EXPORTER_OTLP_PROTOCOL: ${protocol} is not supported; set http/protobuf`);
  }
  const url = own === undefined ? new URL(TRACES_PATH, withSlash(httpUrl(base))) : httpUrl(own);
  const headers = env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] || env["OTEL_EXPORTER_OTLP_HEADERS"] || "";
  return { url, headers: readHeaders(headers) };
}

function httpUrl(text = ""): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new Error(`OTEL_EXPORTER_OTLP_ENDPOINT: ${JSON.stringify(text)} is no URL of HTTP; set http://HOST:4318`);
}

function withSlash(url: URL): URL {
  const base = new URL(url);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return base;
}

/** Reads "name=value,name=value"; values are percent-encoded. */
function readHeaders(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
  });
  return Object.fromEntries(
    pairs.filter(([name]) => name !== "").map(([name, value]) => [name, decodeURIComponent(value)]),
  );
}
