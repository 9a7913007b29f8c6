/** How a sample of a guest's agent is passed on. Agents aren't trusted: only these names, labels and values pass. */
export interface GuestFamily {
  /** Name in the agent's text. */
  readonly source: string;
  /** Only samples with these labels. */
  readonly only?: Readonly<Record<string, string>>;
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** Labels beside `guest`, with the values that pass. */
  readonly labels: Readonly<Record<string, ReadonlySet<string>>>;
}

/** Returns the families of a guest, given the methods and codes that its samples may name. */
export function guestFamilies(methods: ReadonlySet<string>, codes: ReadonlySet<string>): readonly GuestFamily[] {
  const method = { method: methods };
  return [
    {
      source: "guestd_rpc_duration_seconds_count",
      name: "guestd_guest_calls_total",
      type: "counter",
      help: "Calls that the guest's agent answered, by method.",
      labels: method,
    },
    {
      source: "guestd_rpc_duration_seconds_sum",
      name: "guestd_guest_call_seconds_total",
      type: "counter",
      help: "Time from requests to answers, by method. Calls that wait for an event are part of it.",
      labels: method,
    },
    {
      source: "guestd_rpc_errors_total",
      name: "guestd_guest_call_errors_total",
      type: "counter",
      help: "Calls that the guest's agent answered with an error, by method and status code.",
      labels: { ...method, code: codes },
    },
    {
      source: "guestd_stream_bytes_total",
      name: "guestd_guest_stream_bytes_total",
      type: "counter",
      help: "Bytes of processes' stdio between the guest's agent and its clients.",
      labels: { stream: new Set(["stdin", "stdout", "stderr"]) },
    },
    {
      source: "guestd_agent_restarts",
      name: "guestd_guest_agent_restarts_total",
      type: "counter",
      help: "Times that init restarted the guest's agent.",
      labels: {},
    },
    {
      source: "guestd_launches_total",
      name: "guestd_guest_launches_total",
      type: "counter",
      help: "Processes that the guest's agent has launched since its own start.",
      labels: {},
    },
    {
      source: "kata_agent_total_rss",
      name: "guestd_guest_agent_resident_bytes",
      type: "gauge",
      help: "Resident memory of the guest's agent.",
      labels: {},
    },
    {
      source: "kata_guest_meminfo",
      only: { item: "mem_available" },
      name: "guestd_guest_memory_available_bytes",
      type: "gauge",
      help: "Memory that the guest has available.",
      labels: {},
    },
  ];
}
