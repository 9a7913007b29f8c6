import { type Random, randomFrom } from "../../../lib/seeded-random.ts";
import { CODES } from "../../../proto/codes.ts";
import { ConversationError } from "../conversation-error.ts";
import { framePassage } from "../relay/frame-passage.ts";
import { grpcPassage } from "../relay/grpc/grpc-passage.ts";
import { passageByProtocol } from "../relay/passage-by-protocol.ts";
import { passingFrame } from "../relay/passing-frame.ts";
import type { PassingMessage } from "../relay/passing-message.ts";
import { type Relay, startRelay } from "../relay/relay.ts";
import type { Action, Rule } from "./rule.ts";

export interface ChaosOptions {
  /** Where the host connects: unix:///path, unix://@name or hvsock:///path:port. */
  readonly listen: string;
  /** Address of the agent. */
  readonly to: string;
  readonly rules: readonly Rule[];
  /** The same messages in the same order meet the same fate for the same seed. */
  readonly seed: number;
  /** Reports an action in one line. */
  onAction(text: string): void;
  /** Reports connections that the agent didn't accept, and processes that couldn't be killed. */
  onError(error: Error): void;
}

/** Relays a host's connections to an agent, over either protocol, with the faults of the rules. Of each message, the first rule that applies acts. */
export function startChaos(options: ChaosOptions): Promise<Relay> {
  const { listen, to, rules, seed, onAction, onError } = options;
  const states = rules.map((rule, index) => new RuleState(rule, randomFrom(seed + index)));
  const onMessage = (message: PassingMessage) => {
    // Each rule counts all of its messages, whichever rule acts.
    const applying = states.filter((state) => state.applies(message));
    const [first] = applying;
    if (first === undefined) return message.pass();
    onAction(`${placeOf(message)}: ${first.rule.text}`);
    return act(first.rule.action, message, onError);
  };
  return startRelay({
    listen,
    to,
    onError,
    open: (connection) =>
      passageByProtocol((protocol) =>
        protocol === "grpc"
          ? grpcPassage(connection, { onMessage, onError })
          : framePassage(connection, { onFrame: (frame, lanes) => onMessage(passingFrame(frame, lanes)) }),
      ),
  });
}

/** A rule with its count of messages and its random numbers. */
class RuleState {
  readonly rule: Rule;
  readonly #random: Random;
  #count = 0;

  constructor(rule: Rule, random: Random) {
    this.rule = rule;
    this.#random = random;
  }

  applies({ method, direction, conn }: PassingMessage): boolean {
    const { rule } = this;
    if (rule.call !== undefined && rule.call !== method) return false;
    if (rule.direction !== "both" && rule.direction !== direction) return false;
    if (rule.conn !== undefined && rule.conn !== conn) return false;
    this.#count += 1;
    if (rule.nth !== undefined && rule.nth !== this.#count) return false;
    return rule.chance === 1 || this.#random() < rule.chance;
  }
}

async function act(action: Action, message: PassingMessage, onError: (error: Error) => void): Promise<void> {
  switch (action.kind) {
    case "delay":
      return message.passLater(action.ms);
    case "drop":
      return undefined;
    case "duplicate":
      return message.passTwice();
    case "cut":
      return message.cut(action.bytes);
    case "fail":
      return message.fail(CODES[action.code], action.text);
    case "kill":
      try {
        process.kill(action.pid, "SIGKILL");
      } catch (error) {
        onError(new ConversationError(`kill ${action.pid}: ${(error as Error).message}`, { cause: error }));
      }
      return message.pass();
  }
}

function placeOf({ conn, direction, method, stream }: PassingMessage): string {
  return `connection ${conn}, ${direction} of ${method === "" ? "no call" : method}, stream ${stream}`;
}
