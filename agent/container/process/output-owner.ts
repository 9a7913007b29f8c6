/** Reserves an output: calls don't read it. */
export interface OutputOwner {
  /** The process is about to be removed: the descriptor is still open. */
  closing?(): void;
  /** The process was removed. */
  closed(): void;
  /** A call reads the output: the owner may give it up. Otherwise the call fails. */
  called?(): void;
}

/** Output that an owner had taken, from `position` to `end`. */
export interface EarlierOutput {
  position: number;
  readonly end: number;
  /** Fills the buffer from `position` on, then advances it. Returns the buffer's length. */
  read(into: Uint8Array): number;
  close(): void;
}
