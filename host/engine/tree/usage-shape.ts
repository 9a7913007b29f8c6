/** Usage between two updates. Rates are per second; `cpu` and pressure are shares of one processor and of the time. */
export interface Usage {
  readonly cpu?: number;
  readonly memory?: number;
  readonly memoryLimit?: number;
  readonly pids?: number;
  readonly read?: number;
  readonly written?: number;
  readonly received?: number;
  readonly sent?: number;
  readonly pressure: Pressure;
}

/** Share of the time in which some tasks, or all, waited. */
interface Pressure {
  readonly cpu?: number;
  readonly memory?: number;
  readonly memoryFull?: number;
  readonly io?: number;
  readonly ioFull?: number;
}
