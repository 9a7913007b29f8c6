import { accepted, answer, type Fault, fault, ignored, request, response } from "./fault.ts";

const NOTHING = Buffer.alloc(0);

/** Defects of output, input and terminals. */
export function stdioFaults(): Fault[] {
  return [
    fault(
      "ReadStdout: the last byte of each response is lost",
      /^ReadStdout: (every byte|reads of 8 KiB)/,
      response("ReadStdout", ({ data }) => ({ data: data.length > 1 ? data.subarray(0, -1) : data })),
    ),
    fault(
      "ReadStdout: a long response repeats its first byte",
      /^ReadStdout: (every byte|reads of 8 KiB)/,
      response("ReadStdout", ({ data }) => ({
        data: data.length > 4096 ? Buffer.concat([data.subarray(0, 1), data.subarray(0, -1)]) : data,
      })),
    ),
    fault(
      "ReadStdout: bytes that are no UTF-8 are replaced",
      /^(ReadStdout|WriteStdin): every byte/,
      response("ReadStdout", ({ data }) => ({ data: Buffer.from(Buffer.from(data).toString()) })),
    ),
    fault(
      "ReadStdout: line feeds become carriage return and line feed",
      /^StartContainer: .* with its output/,
      response("ReadStdout", ({ data }) => ({
        data: Buffer.from(Buffer.from(data).toString("latin1").replaceAll("\n", "\r\n"), "latin1"),
      })),
    ),
    fault("ReadStdout: the output ends after 64 KiB", /^ReadStdout: (every byte|reads of 8 KiB)/, () => {
      const lengths = new Map<string, number>();
      return response("ReadStdout", ({ data }, { container_id, exec_id }) => {
        const key = `${container_id} ${exec_id}`;
        const length = (lengths.get(key) ?? 0) + data.length;
        lengths.set(key, length);
        return { data: length > 65_536 ? NOTHING : data };
      });
    }),
    fault(
      "ReadStdout: the first read of an output is its end",
      /^ReadStdout: (every byte|what was written)|^StartContainer: .* with its output/,
      () => {
        const seen = new Set<string>();
        return answer("ReadStdout", ({ container_id, exec_id }) => {
          const key = `${container_id} ${exec_id}`;
          if (seen.has(key)) return undefined;
          seen.add(key);
          return { data: NOTHING };
        });
      },
    ),
    fault(
      "ReadStdout: a response is longer than requested",
      /^ReadStdout: an answer is never longer/,
      request("ReadStdout", ({ len, ...ids }) => ({ ...ids, len: len + 1 })),
    ),
    fault(
      "ReadStderr: is always empty",
      /^ReadStderr: is separate/,
      answer("ReadStderr", () => ({ data: NOTHING })),
    ),
    fault(
      "WriteStdin: reports one byte fewer than it took",
      /^WriteStdin: every byte/,
      response("WriteStdin", ({ len }) => ({ len: Math.max(0, len - 1) })),
    ),
    fault("WriteStdin: the last byte is lost, but reported as taken", /^WriteStdin: every byte/, {
      ...request("WriteStdin", ({ data, ...ids }) => ({ ...ids, data: data.length > 1 ? data.subarray(0, -1) : data })),
      ...response("WriteStdin", (_response, { data }) => ({ len: data.length })),
    }),
    fault("WriteStdin: each write happens twice", /^WriteStdin: every byte/, {
      call: "WriteStdin",
      requestFrames: (frame) => [frame, frame],
    }),
    fault(
      "WriteStdin: without data, nothing happens",
      /^WriteStdin: without data/,
      answer("WriteStdin", ({ data }) => (data.length === 0 ? { len: 0 } : undefined)),
    ),
    fault(
      "WriteStdin: succeeds although the process no longer reads",
      /^WriteStdin: fails once/,
      accepted("WriteStdin"),
    ),
    fault("CloseStdin: is ignored", /^CloseStdin: the process reads the end/, ignored("CloseStdin")),
    fault(
      "CloseStdin: of an exec closes the container's input",
      /^CloseStdin: of an exec/,
      request("CloseStdin", ({ container_id }) => ({ container_id, exec_id: container_id })),
    ),
    fault("TtyWinResize: is ignored", /^TtyWinResize: sets the size/, ignored("TtyWinResize")),
    fault(
      "TtyWinResize: rows and columns are swapped",
      /^TtyWinResize: sets the size/,
      request("TtyWinResize", ({ row, column, ...ids }) => ({ ...ids, row: column, column: row })),
    ),
    fault(
      "TtyWinResize: of a process without a terminal succeeds",
      /^TtyWinResize: (is refused|of an exec without a terminal)/,
      accepted("TtyWinResize"),
    ),
  ];
}
