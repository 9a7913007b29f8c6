/** One agent under test. A group of cases runs against it. */
export interface AgentUnderTest extends AsyncDisposable {
  readonly address: string;
  /** True if the suite started this agent and ends it, so cases may spoil it. */
  readonly isOwn: boolean;
  /** Kills the agent; another one must take over at the same address. Unset if the suite can't do that. */
  readonly restart?: (() => Promise<void>) | undefined;
  /** Finds or creates a network interface that cases may change. Returns its MAC address; unset if none is known. */
  readonly spareInterface?: (() => Promise<string>) | undefined;
  /** Last lines that the agent printed, as far as the suite sees them. */
  readonly output?: () => string;
}

/** Source of agents: the same one each time, or a fresh one for each group. */
export interface Target {
  /** Describes the agent for reports. */
  readonly description: string;
  /** Namespaces and cgroups that the agent runs in, as far as the suite knows. */
  readonly surroundings: string;
  open(): Promise<AgentUnderTest>;
}
