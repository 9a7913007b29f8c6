import { receivedSpans, sentSpans } from "../client/edge/spans.ts";
import type { OtlpEndpoint } from "./otlp-endpoint.ts";
import { postSpans } from "./post-spans.ts";
import { type ReceivedSpans, receiveSpans } from "./receive-spans.ts";
import { seldom } from "./seldom-lines.ts";

export type ForwardedSpans = ReceivedSpans;

/**
 * Receives the spans of the agent at an address and sends them to a collector, with `name` as the attribute `guestd.guest`.
 * Decodes each message, so that a guest sends the collector nothing but spans. Of its failures `onFailure` gets a line a
 * second at most. Rejects if it can't listen.
 */
export function forwardSpans(
  address: string,
  name: string,
  endpoint: OtlpEndpoint,
  onFailure: (line: string) => void,
): Promise<ForwardedSpans> {
  const fail = seldom(onFailure);
  const take = async (message: Uint8Array) => {
    const body = named(message, name);
    await postSpans(endpoint, body).catch((error: Error) => fail(error.message));
  };
  return receiveSpans(address, name, take, fail);
}

function named(message: Uint8Array, name: string): Uint8Array {
  const { resource_spans } = receivedSpans.decode(message);
  const guest = { key: "guestd.guest", value: { string_value: name } };
  const renamed = resource_spans.map(({ resource, scope_spans }) => {
    return { resource: { attributes: [...(resource?.attributes ?? []), guest] }, scope_spans };
  });
  return sentSpans.encode({ resource_spans: renamed });
}
