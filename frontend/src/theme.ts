// Light or dark: as the system says, until the reader says otherwise.

const NAME = "lrmtest-theme";

function stored(): string | null {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // Some browsers keep nothing for pages from files.
  }
}

export function isDark(): boolean {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function applyTheme(): void {
  const theme = stored();
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
}

export function toggleTheme(): void {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(NAME, theme);
  } catch {
    // Then it lasts until the page is closed.
  }
}
