import type { CallMemory } from "./call-memory.ts";
import { CALL, CHUNK_BYTES, CHUNKS, SMALL_BODY } from "./journal-layout.ts";

/** Bytes in chunks of the journal. `head` is the first chunk + 1, 0 for no bytes. */
export interface Chain {
  readonly head: number;
  readonly length: number;
}

export const NO_BYTES: Chain = { head: 0, length: 0 };

/** Bytes of any length that outlive the agent: small bodies in their call's place, all others in chains of chunks. */
export class KeptBytes {
  readonly #memory: CallMemory;
  /** Chunks that were freed, the last one last. */
  readonly #free: number[] = [];
  /** First chunk that may never have been used: a list of all would take the agent's start some ms. */
  #fresh = 0;
  /** Chunks in use. A set, because the previous agent's chains may name a chunk twice. */
  readonly #used: Set<number>;

  /** `inUse` are the chains of the previous agent. */
  constructor(memory: CallMemory, inUse: readonly Chain[]) {
    this.#memory = memory;
    const used = new Set(inUse.flatMap((chain) => chunksOf(memory, chain)));
    this.#used = used;
    for (const chunk of used) memory.foundChunk(chunk);
  }

  /** Replaces a call's body and calls `between` while it is empty. Returns false and changes nothing if there is no room. */
  setBody(place: number, body: Uint8Array, between?: () => void): boolean {
    const memory = this.#memory;
    const chain = body.length <= SMALL_BODY ? NO_BYTES : this.append(NO_BYTES, body);
    if (chain === undefined) return false;
    this.freeBody(place);
    between?.();
    if (chain.head === 0) memory.smallBody(place, body.length).set(body);
    else memory.setCall(place, CALL.chain, chain.head);
    memory.setCall(place, CALL.length, body.length);
    return true;
  }

  freeBody(place: number): void {
    const chain = bodyChain(this.#memory, place);
    this.#memory.setCall(place, CALL.length, 0);
    if (chain.head === 0) return;
    this.#memory.setCall(place, CALL.chain, 0);
    this.free(chain);
  }

  /** Returns the chain with bytes appended; the old chain stays valid. Undefined if there is no room. */
  append(chain: Chain, bytes: Uint8Array): Chain | undefined {
    const memory = this.#memory;
    const chunks = chunksOf(memory, chain);
    const missing = Math.ceil((chain.length + bytes.length) / CHUNK_BYTES) - chunks.length;
    for (let count = 0; count < missing; count++) {
      const chunk = this.#take();
      if (chunk === undefined) {
        this.#give(chunks.splice(chunks.length - count));
        return undefined;
      }
      const last = chunks.at(-1);
      if (last !== undefined) memory.setNext(last, chunk + 1);
      chunks.push(chunk);
    }
    for (let done = 0, at = chain.length; done < bytes.length; ) {
      const room = memory.chunk(chunks[Math.floor(at / CHUNK_BYTES)] ?? 0).subarray(at % CHUNK_BYTES);
      const part = bytes.subarray(done, done + room.length);
      room.set(part);
      done += part.length;
      at += part.length;
    }
    return { head: (chunks[0] ?? -1) + 1, length: chain.length + bytes.length };
  }

  free(chain: Chain): void {
    this.#give(chunksOf(this.#memory, chain));
  }

  #give(chunks: readonly number[]): void {
    for (const chunk of chunks.toReversed()) if (this.#used.delete(chunk)) this.#free.push(chunk);
  }

  #take(): number | undefined {
    const chunk = this.#free.pop() ?? this.#takeFresh();
    if (chunk === undefined) return undefined;
    if (this.#memory.makeChunk(chunk)) {
      this.#memory.setNext(chunk, 0);
      this.#used.add(chunk);
      return chunk;
    }
    this.#free.push(chunk);
    return undefined;
  }

  #takeFresh(): number | undefined {
    while (this.#used.has(this.#fresh)) this.#fresh++;
    return this.#fresh < CHUNKS ? this.#fresh++ : undefined;
  }
}

export function bodyChain(memory: CallMemory, place: number): Chain {
  return { head: memory.call(place, CALL.chain), length: memory.call(place, CALL.length) };
}

/** Copies a call's body. */
export function bodyOf(memory: CallMemory, place: number): Buffer {
  const chain = bodyChain(memory, place);
  return chain.head === 0 ? Buffer.from(memory.smallBody(place, chain.length)) : bytesOf(memory, chain);
}

/** Copies the bytes of a chain. */
export function bytesOf(memory: CallMemory, chain: Chain): Buffer {
  const all = Buffer.concat(chunksOf(memory, chain).map((chunk) => memory.chunk(chunk)));
  return all.subarray(0, Math.max(chain.length, 0));
}

/** Lists a chain's chunks in order, as many as its length needs. The previous agent wrote the words, so they may be anything. */
function chunksOf(memory: CallMemory, { head, length }: Chain): number[] {
  const chunks: number[] = [];
  const count = Math.min(Math.ceil(length / CHUNK_BYTES), CHUNKS);
  for (let next = head; next > 0 && next <= CHUNKS && chunks.length < count; next = memory.next(next - 1)) {
    chunks.push(next - 1);
  }
  return chunks;
}
