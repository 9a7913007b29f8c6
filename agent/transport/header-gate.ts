/** Length of what a client's connection begins with, and of a frame's header. */
const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
const HEADERS = 1;
const PUSH_PROMISE = 5;
const CONTINUATION = 9;
const END_HEADERS = 4;
/** Most bytes of a header block with its frames. Node's HTTP/2 takes fields of as many by default. */
const MAX_BLOCK_BYTES = 65_536;
/** Most pieces in which they are held: a client that sends single bytes would cost an object for each. */
const MAX_PIECES = 64;

/**
 * Passes a client's HTTP/2 bytes on, but header blocks only as a whole. Node aborts (`current_nghttp2_memory_ == 0`) if a
 * connection ends while its HTTP/2 holds fields of an incomplete block for a stream that was already answered.
 */
export class HeaderGate {
  /** Bytes of an incomplete header block, or of an incomplete frame header. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes until the next frame. */
  #left = PREFACE_BYTES;
  /** True from the first frame of a header block to its last byte. */
  #isInBlock = false;
  #endsBlock = false;

  /** Returns a copy of the bytes that HTTP/2 may have now; undefined if a header block is too long. */
  take(bytes: Buffer): Buffer | undefined {
    let passed = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, bytes.length - at);
        this.#left -= count;
        at += count;
        if (this.#left === 0) this.#endFrame();
      } else {
        const count = bytes.copy(this.#header, this.#headerBytes, at);
        this.#headerBytes += count;
        at += count;
        if (this.#headerBytes === FRAME_HEADER_BYTES) this.#beginFrame();
      }
      if (!this.#isInBlock && this.#headerBytes === 0) passed = at;
    }
    const whole = Buffer.concat([...(passed > 0 ? this.#held.splice(0) : []), bytes.subarray(0, passed)]);
    this.#heldBytes += bytes.length - whole.length;
    if (passed < bytes.length) this.#held.push(Buffer.from(bytes.subarray(passed)));
    if (this.#held.length > MAX_PIECES) this.#held = [Buffer.concat(this.#held)];
    return this.#heldBytes > MAX_BLOCK_BYTES ? undefined : whole;
  }

  #beginFrame(): void {
    this.#headerBytes = 0;
    this.#left = this.#header.readUIntBE(0, 3);
    const type = this.#header.readUInt8(3);
    const isHeader = type === HEADERS || type === CONTINUATION || type === PUSH_PROMISE;
    // Another frame within a block is an error, which HTTP/2 reports.
    this.#isInBlock = isHeader;
    this.#endsBlock = isHeader && (this.#header.readUInt8(4) & END_HEADERS) !== 0;
    if (this.#left === 0) this.#endFrame();
  }

  #endFrame(): void {
    if (this.#endsBlock) this.#isInBlock = false;
    this.#endsBlock = false;
  }
}
