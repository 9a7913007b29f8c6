/** Failure of a recording, a replay, or a rule. The message is one line: operation, object, reason, remedy. */
export class ConversationError extends Error {
  override readonly name = "ConversationError";
}
