/** A port on which a process of the sandbox listens. */
export interface ListenedPort {
  /** tcp, tcp6, udp or udp6. */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}
