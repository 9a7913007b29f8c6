/** A wrong setting: one line that names the place, the setting and the remedy. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
