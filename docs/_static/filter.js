// Filters the rows of a table by all words that are typed.
document.addEventListener("DOMContentLoaded", () => {
  for (const input of document.querySelectorAll("input.filter")) {
    const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
    const count = document.getElementById(`${input.dataset.table}-count`);
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    input.addEventListener("input", filter);
    filter();
  }
});
