import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const TOKEN_BYTES = 32;

/** A secret that opens one session: it is part of the link that `guestctl serve` prints. */
export class OneTimeToken {
  readonly text = randomBytes(TOKEN_BYTES).toString("base64url");
  #isUsed = false;

  /** True at the first call with the right text, and never again. */
  use(text: string): boolean {
    if (this.#isUsed || !timingSafeEqual(digest(text), digest(this.text))) return false;
    this.#isUsed = true;
    return true;
  }
}

/** Hashes, so that texts of any length compare in the same time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
