import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

interface PlayedAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const played: { answers: PlayedAnswer[]; asked: { hostname: string; authorization: string | undefined }[] } = {
  answers: [],
  asked: [],
};

/** @public Replaces node:http's and node:https's Agent for the agent's registry client. */
export class Agent {
  destroy(): void {}
}

/** @public Returns the next answer without opening a connection. */
export function get(
  { hostname, headers }: { readonly hostname: string; readonly headers: Readonly<Record<string, string>> },
  onAnswer: (answer: IncomingMessage) => void,
): { on(name: string, listener: (error: Error) => void): void } {
  played.asked.push({ hostname, authorization: headers["authorization"] });
  const answer = played.answers.shift();
  if (answer !== undefined)
    queueMicrotask(() =>
      onAnswer(Object.assign(Readable.from([Buffer.from(answer.body)]), answer) as unknown as IncomingMessage),
    );
  return {
    on(name, listener) {
      if (answer === undefined && name === "error") queueMicrotask(() => listener(new Error("no more answers")));
    },
  };
}
