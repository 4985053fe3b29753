// Figures as people read them, as lrmtest.reports.numbers writes them on the terminal.

export const UNKNOWN = "\u2013";

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? UNKNOWN : `${(100 * share).toFixed(1)} %`;
}

export function interval(low: number, high: number): string {
  return `[${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
}

// A signed difference with a true minus sign.
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value > 0 ? "+" : "\u2212") + text;
}

export function points(change: number): string {
  return signed(100 * change);
}

export function pointsInterval(low: number, high: number): string {
  return `[${points(low)}, ${points(high)}]`;
}

export function count(value: number | null | undefined, estimated = false): string {
  if (value === null || value === undefined) return UNKNOWN;
  return (estimated ? "~" : "") + short(value);
}

function short(value: number): string {
  if (Math.round(value) < 10000) return whole(Math.round(value));
  let unit = "";
  for (unit of ["k", "M", "G"]) {
    value /= 1000;
    if (value < 999.5) break;
  }
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + unit;
}

// A whole number; not by toLocaleString, whose first call reads 13 ms of tables while the page is waited for.
export function whole(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function counted(value: number, noun: string): string {
  return `${whole(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function pValue(p: number): string {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

export function ratio(value: number | null): string {
  return value === null ? "\u221e" : value.toFixed(2);
}

// "2025-01-01T12:00:00+00:00" as "2025-01-01 12:00 UTC".
export function moment(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/.exec(iso);
  return match ? `${match[1]} ${match[2]} UTC` : iso;
}

export const COSTS: Record<string, { name: string; unit: string; more?: boolean }> = {
  tokens: { name: "Tokens per completion", unit: "tokens" },
  bits_per_weight: { name: "Bits per weight", unit: "" },
  sparsity: { name: "Sparsity", unit: "", more: true },
  parameters: { name: "Parameters", unit: "billions" },
  disk_gb: { name: "Size of the weights", unit: "GB" },
  memory_gb: { name: "Memory needed", unit: "GB" },
};

// Of gigabytes: "5.9 MB", "4.1 GB".
export function size(gigabytes: number | null | undefined): string {
  if (gigabytes === null || gigabytes === undefined) return UNKNOWN;
  const [value, unit] = gigabytes < 1 ? [1000 * gigabytes, "MB"] : [gigabytes, "GB"];
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

export function bits(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : String(Number(value.toPrecision(3)));
}
