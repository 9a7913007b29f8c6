/** POST /api/guests/G/actions. All actions need --allow-exec. The answer comes once the action is done. */
export type GuestAction =
  /** Powers the guest off. */
  | { readonly action: "stop" }
  | { readonly action: "pause" }
  | { readonly action: "resume" }
  /** Kills the agent with SIGKILL; resolves once the next one answers. */
  | { readonly action: "kill-agent" }
  /** Starts copies: 1 to 16; named NAME-1, NAME-2 …, by default after the guest. */
  | { readonly action: "fork"; readonly count?: number; readonly name?: string };

/** POST /api/guests/G/containers/C/actions */
export type ContainerAction =
  /** Sends a signal to the first process, or to an exec: a name such as TERM, or a number. */
  | { readonly action: "kill"; readonly signal: string | number; readonly exec?: string }
  /** SIGTERM, then SIGKILL after 10 s. */
  | { readonly action: "stop" }
  | { readonly action: "pause" }
  | { readonly action: "resume" };

/** POST /api/templates/T/actions */
export type TemplateAction =
  /** Starts a guest from the template. Default name: a random one. */
  { readonly action: "start"; readonly name?: string };

export interface ActionAnswer {
  /** One line: what was done. */
  readonly done: string;
  /** Names of guests that were started. */
  readonly guests?: readonly string[];
}
