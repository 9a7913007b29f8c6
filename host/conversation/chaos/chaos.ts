import { type Random, randomFrom } from "../../../lib/seeded-random.ts";
import { CODES } from "../../../proto/codes.ts";
import { ConversationError } from "../conversation-error.ts";
import { framePassage, type Lanes, type PassingFrame } from "../relay/frame-passage.ts";
import { type Relay, startRelay } from "../relay/relay.ts";
import { responseFrame } from "../relay/response-frame.ts";
import type { Action, Rule } from "./rule.ts";

export interface ChaosOptions {
  /** Where the host connects: unix:///path, unix://@name or hvsock:///path:port. */
  readonly listen: string;
  /** Address of the agent. */
  readonly to: string;
  readonly rules: readonly Rule[];
  /** The same frames in the same order meet the same fate for the same seed. */
  readonly seed: number;
  /** Reports an action in one line. */
  onAction(text: string): void;
  /** Reports connections that the agent didn't accept, and processes that couldn't be killed. */
  onError(error: Error): void;
}

/** Relays a host's ttRPC connections to an agent, with the faults of the rules. Of each frame, the first rule that applies acts. */
export function startChaos(options: ChaosOptions): Promise<Relay> {
  const { listen, to, rules, seed, onAction, onError } = options;
  const states = rules.map((rule, index) => new RuleState(rule, randomFrom(seed + index)));
  return startRelay({
    listen,
    to,
    onError,
    open: (connection) =>
      framePassage(connection, {
        onForeign: (conn) => onAction(`connection ${conn}: not ttRPC, passed on without faults`),
        async onFrame(frame, lanes) {
          // Each rule counts all of its frames, whichever rule acts.
          const applying = states.filter((state) => state.applies(frame));
          const [first] = applying;
          if (first === undefined) return lanes[frame.direction].frame(frame.bytes);
          onAction(`${placeOf(frame)}: ${first.rule.text}`);
          await act(first.rule.action, frame, lanes, onError);
        },
      }),
  });
}

/** A rule with its count of frames and its random numbers. */
class RuleState {
  readonly rule: Rule;
  readonly #random: Random;
  #count = 0;

  constructor(rule: Rule, random: Random) {
    this.rule = rule;
    this.#random = random;
  }

  applies({ method, direction, conn }: PassingFrame): boolean {
    const { rule } = this;
    if (rule.call !== undefined && rule.call !== method) return false;
    if (rule.direction !== "both" && rule.direction !== direction) return false;
    if (rule.conn !== undefined && rule.conn !== conn) return false;
    this.#count += 1;
    if (rule.nth !== undefined && rule.nth !== this.#count) return false;
    return rule.chance === 1 || this.#random() < rule.chance;
  }
}

async function act(action: Action, frame: PassingFrame, lanes: Lanes, onError: (error: Error) => void): Promise<void> {
  const { direction, stream, bytes } = frame;
  const lane = lanes[direction];
  switch (action.kind) {
    case "delay":
      return lane.later(bytes, action.ms);
    case "drop":
      return undefined;
    case "duplicate":
      await lane.frame(bytes);
      return lane.frame(bytes);
    case "cut":
      await lane.piece(bytes.subarray(0, action.bytes), false);
      return lanes.close(direction);
    case "fail":
      return lanes.response.frame(responseFrame(stream, { code: CODES[action.code], text: action.text }));
    case "kill":
      try {
        process.kill(action.pid, "SIGKILL");
      } catch (error) {
        onError(new ConversationError(`kill ${action.pid}: ${(error as Error).message}`, { cause: error }));
      }
      return lane.frame(bytes);
  }
}

function placeOf({ conn, direction, method, stream }: PassingFrame): string {
  return `connection ${conn}, ${direction} of ${method === "" ? "no call" : method}, stream ${stream}`;
}
