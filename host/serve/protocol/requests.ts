/** Answers of GET requests below /api. A failure is ErrorAnswer with a status from 400 on; without a session it is an empty 403. */
export interface ErrorAnswer {
  /** One line. */
  readonly error: string;
}

/** POST /api/session; the cookie of a session with this answer, or 403. */
export interface SessionRequest {
  readonly token: string;
}

/** All requests but downloads need the secret: in the header guestd-page, or as the WebSocket's subprotocol guestd-page.SECRET. */
export interface SessionAnswer {
  readonly secret: string;
}

/** POST /api/links */
export interface LinkRequest {
  /** Address of a file, with its query. */
  readonly path: string;
}

/** The same address for a download: the cookie alone opens it for a minute. */
export interface LinkAnswer {
  readonly href: string;
}

/** GET /api/me */
export interface MeAnswer {
  readonly version: string;
  /** False: everything that writes, runs or kills is refused, and the page says that --allow-exec permits it. */
  readonly allowExec: boolean;
}

/** GET /api/guests/G/plan?container=C: how the container was created. */
export interface PlanAnswer {
  readonly steps: readonly PlanStep[];
  /** One line: why durations are absent. */
  readonly note?: string | undefined;
}

export interface PlanStep {
  /** The system call, or its equivalent. */
  readonly operation: string;
  readonly object: string;
  /** Field of the OCI spec. */
  readonly reason: string;
  /** Duration in microseconds, if it was measured. */
  readonly micros?: number | undefined;
}

/** GET /api/guests/G/boot */
export interface Boot {
  readonly guest: string;
  /** ISO 8601. */
  readonly bootedAt: string;
  readonly accelerator: string;
  readonly isClone: boolean;
  readonly isRunning: boolean;
  /** When the guest ended, if that is on record. */
  readonly endedAt?: string;
  /** One line: why it ended, if it wasn't powered off. */
  readonly why?: string | undefined;
  /** In order, in ms since the machine was started; each step ends when the next begins. */
  readonly steps: readonly BootStep[];
}

export interface BootStep {
  /** kernel, init, agent, loaded, listening, first answer. */
  readonly name: string;
  readonly ms: number;
}

/** GET /api/boots: guests that run, those that ended and are kept, and the last 50 boots of others; the last booted first. */
export interface BootsAnswer {
  readonly boots: readonly Boot[];
}

/** GET /api/guests/G/memory */
export interface MemoryAnswer {
  /** Parts of the guest's memory as its kernel counts it; they add up to `guestTotal`. */
  readonly guest: readonly MemoryPart[];
  readonly guestTotal?: number;
  /** Parts of the memory that the host's process takes (PSS); they add up to `hostTotal`. */
  readonly host: readonly MemoryPart[];
  readonly hostTotal?: number;
  /** One line for each side that can't be read. */
  readonly notes: readonly string[];
}

export interface MemoryPart {
  /** For people: such as "containers", "agent", "page cache", "image, shared". */
  readonly kind: string;
  readonly bytes: number;
}

/** GET /api/guests/G/ports?container=C; without a container, those of the guest. */
export interface PortsAnswer {
  readonly ports: readonly Port[];
  /** True if there are more. */
  readonly isTruncated: boolean;
}

export interface Port {
  /** tcp, tcp6, udp, udp6 */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** GET /api/templates */
export interface TemplatesAnswer {
  readonly templates: readonly Template[];
}

export interface Template {
  readonly name: string;
  /** ISO 8601; absent for a damaged template, which can't be started. */
  readonly createdAt?: string;
  readonly usedAt: string;
  /** Bytes on the disk. */
  readonly size: number;
  readonly memoryMib?: number | undefined;
  readonly cpus?: number | undefined;
  /** The guest that it was saved from. */
  readonly guest?: string;
  readonly containers: readonly string[];
}
