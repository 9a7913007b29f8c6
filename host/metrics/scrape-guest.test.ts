import { expect, test } from "vitest";
import { guestSamples } from "./scrape-guest.ts";

const series = (text: string) =>
  guestSamples(text).map(({ family, labels, value }) => [family.name, labels, value] as const);

test("samples of an agent get the names of the host, each series once", () => {
  const text = `guestd_rpc_duration_seconds_count{method="Check"} 1
guestd_rpc_duration_seconds_count{method="Check"} 4
guestd_rpc_duration_seconds_bucket{method="Check",le="10"} 4
guestd_rpc_errors_total{method="ExecProcess",code="not-found"} 2
kata_guest_meminfo{item="mem_free"} 5
kata_guest_meminfo{item="mem_available"} 7
`;
  expect(series(text)).toEqual([
    ["guestd_guest_calls_total", { method: "Check" }, 4],
    ["guestd_guest_call_errors_total", { method: "ExecProcess", code: "not-found" }, 2],
    ["guestd_guest_memory_available_bytes", {}, 7],
  ]);
});

test.each([
  'guestd_rpc_duration_seconds_count{method="Invented"} 1',
  'guestd_rpc_errors_total{method="Check",code="invented"} 1',
  'guestd_stream_bytes_total{stream="stdin4"} 1',
  "guestd_stream_bytes_total 1",
  "guestd_agent_restarts -1",
  "guestd_agent_restarts NaN",
  "guestd_guests 1000",
])("the sample %s of a hostile agent is left out", (line) => {
  expect(series(`${line}\n`)).toEqual([]);
});
