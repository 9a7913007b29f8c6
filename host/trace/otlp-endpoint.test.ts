import { expect, test } from "vitest";
import { otlpEndpoint } from "./otlp-endpoint.ts";

const BASE = "OTEL_EXPORTER_OTLP_ENDPOINT";

test.each([
  [{ [BASE]: "http://127.0.0.1:4318" }, "http://127.0.0.1:4318/v1/traces"],
  [{ [BASE]: "https://collector/otlp/" }, "https://collector/otlp/v1/traces"],
  [{ [BASE]: "http://a", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://b/spans" }, "http://b/spans"],
])("of %j the collector is %s", (env, url) => {
  expect(otlpEndpoint(env)?.url.href).toBe(url);
});

test.each([{}, { [BASE]: "" }, { [BASE]: "http://a", OTEL_SDK_DISABLED: "true" }])("of %j there is none", (env) => {
  expect(otlpEndpoint(env)).toBeUndefined();
});

test("headers are read, percent-encoded", () => {
  const env = { [BASE]: "http://a", OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x=, tenant = me" };
  expect(otlpEndpoint(env)?.headers).toEqual({ authorization: "Bearer x=", tenant: "me" });
});

test.each([
  [{ [BASE]: "127.0.0.1:4318" }, /"127.0.0.1:4318" is no URL of HTTP; set http/],
  [{ [BASE]: "grpc://a" }, /no URL of HTTP/],
  [{ [BASE]: "http://a", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, /grpc is not supported; set http\/protobuf/],
])("%j is refused with the remedy", (env, message) => {
  expect(() => otlpEndpoint(env)).toThrow(message);
});
