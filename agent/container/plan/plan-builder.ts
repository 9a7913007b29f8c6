import type { PlanOp, Slot } from "../../kernel/init/plan.ts";

/** One operation of a plan and the field of the spec that it comes from. */
export interface PlanStep {
  readonly op: PlanOp;
  readonly reason: string;
}

/** A compiled plan: its steps, and the names of the descriptors that its slots stand for, in order. */
export interface CompiledPlan {
  readonly steps: readonly PlanStep[];
  readonly slots: readonly string[];
}

/** With how its process is born. */
export interface LaunchPlan extends CompiledPlan {
  /** In a new pid namespace. */
  readonly newPidNamespace?: boolean;
  /** Not in the pid namespace of the slot "init": it goes there later, by a `fork`. */
  readonly bornOutside?: boolean;
}

/** Collects steps and hands out a slot number for each descriptor name. */
export class PlanBuilder {
  readonly #steps: PlanStep[] = [];
  readonly #slots = new Map<string, Slot>();
  readonly #origins: Readonly<Record<string, string>>;

  /** `origins` of a spec: they follow the field in the reason. */
  constructor(origins: Readonly<Record<string, string>> = {}) {
    this.#origins = origins;
  }

  add(reason: string, ...ops: readonly PlanOp[]): void {
    const origin = Object.hasOwn(this.#origins, reason) ? ` of ${this.#origins[reason]}` : "";
    for (const op of ops) this.#steps.push({ op, reason: reason + origin });
  }

  /** The same name is the same slot. */
  slot(name: string): Slot {
    const slot = this.#slots.get(name) ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  finish(): CompiledPlan {
    return { steps: this.#steps, slots: [...this.#slots.keys()] };
  }
}
