/** Lengths in bits of the codes of the 256 byte values, as digits of base 36 (RFC 7541, appendix B). */
const LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";
const LONGEST = 30;

/** Codes of one length: they are consecutive numbers, in the order of their symbols. */
interface Level {
  readonly first: number;
  readonly symbols: readonly number[];
}

const LEVELS: readonly Level[] = levels();

function levels(): Level[] {
  let next = 0;
  return Array.from({ length: LONGEST + 1 }, (_, length) => {
    const symbols = Array.from(LENGTHS, (digit) => Number.parseInt(digit, 36)).flatMap((one, symbol) =>
      one === length ? [symbol] : [],
    );
    const first = next * 2;
    next = first + symbols.length;
    return { first, symbols };
  });
}

/** Decodes a Huffman-coded string of HPACK. Throws RangeError if it ends with more than padding. */
export function decodeHuffman(bytes: Uint8Array): string {
  const symbols: number[] = [];
  let [code, length] = [0, 0];
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length += 1;
      if (length > LONGEST) throw new RangeError("a Huffman code of over 30 bits");
      const level = LEVELS[length];
      const symbol = level?.symbols[code - level.first];
      if (symbol === undefined) continue;
      symbols.push(symbol);
      [code, length] = [0, 0];
    }
  }
  if (length > 7 || code !== 2 ** length - 1) throw new RangeError("a Huffman code without its end");
  return Buffer.from(symbols).toString("latin1");
}
