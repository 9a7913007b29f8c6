import { accepted, answer, error, type Fault, fault, ignored, response } from "./fault.ts";

/** Defects of the lives of containers. */
export function containerFaults(): Fault[] {
  return [
    fault(
      "StartContainer: is ignored",
      /^StartContainer: a container runs to its end/,
      answer("StartContainer", () => ({})),
    ),
    fault(
      "StartContainer: a second one succeeds",
      /^StartContainer: fails for a container that was started/,
      accepted("StartContainer"),
    ),
    fault(
      "CreateContainer: an id in use is accepted",
      /^CreateContainer: refuses a second container/,
      accepted("CreateContainer", (text) => /exists|in use|already/.test(text)),
    ),
    fault(
      "CreateContainer: an invalid id is accepted",
      /^CreateContainer: refuses the id/,
      accepted("CreateContainer", (_text, { container_id }) => !/^[A-Za-z0-9][A-Za-z0-9_.-]+$/.test(container_id)),
    ),
    fault(
      "CreateContainer: a missing executable is no error",
      /^CreateContainer: fails at once if the executable is missing/,
      accepted("CreateContainer", (text) => text.includes("not found")),
    ),
    fault(
      "CreateContainer: errors don't say what is wrong",
      /^CreateContainer: .* with its name in the text/,
      error("CreateContainer", (code) => ({ code, text: "creation failed" })),
    ),
    fault(
      "CreateContainer: errors have several lines",
      /^CreateContainer: messages are one line/,
      error("CreateContainer", (code, text) => ({ code, text: `${text}\nStack backtrace:\n   0: main` })),
    ),
    fault(
      "RemoveContainer: is ignored",
      /^RemoveContainer: (ends a running container|the id can be used again)/,
      ignored("RemoveContainer"),
    ),
    fault(
      "RemoveContainer: a time limit is refused",
      /^RemoveContainer: succeeds with a time limit/,
      answer("RemoveContainer", ({ timeout }) => (timeout > 0 ? new Error("no time limits") : undefined)),
    ),
    fault(
      "RemoveContainer: fails for a container that was never started",
      /^RemoveContainer: removes a container that was never started/,
      () => {
        const started = new Set<string>();
        const removal = answer("RemoveContainer", ({ container_id }) =>
          started.has(container_id) ? undefined : new Error("not started"),
        );
        const start = answer("StartContainer", ({ container_id }) => void started.add(container_id));
        return {
          // Serves both calls by their messages, which have the id in the same field.
          answer: (payload, envelope) => {
            if (envelope.method === "StartContainer") return start.answer?.(payload, envelope);
            return envelope.method === "RemoveContainer" ? removal.answer?.(payload, envelope) : undefined;
          },
        };
      },
    ),
    fault("PauseContainer: is ignored", /^PauseContainer: stops/, ignored("PauseContainer")),
    fault(
      "PauseContainer: a paused container is paused again",
      /^PauseContainer: a paused container/,
      accepted("PauseContainer"),
    ),
    fault("ResumeContainer: is ignored", /^PauseContainer: stops .* until ResumeContainer/, ignored("ResumeContainer")),
    fault("UpdateContainer: is ignored", /^UpdateContainer: changes/, ignored("UpdateContainer")),
    fault(
      "GetDiagnosticData: the termination message is empty",
      /^GetDiagnosticData: returns/,
      response("GetDiagnosticData", () => ({})),
    ),
    fault(
      "GetDiagnosticData: an unknown kind of log is accepted",
      /^GetDiagnosticData: refuses/,
      accepted("GetDiagnosticData"),
    ),
  ];
}
