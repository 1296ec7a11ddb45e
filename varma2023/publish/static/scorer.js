// Search: the book's pages before functions of the API reference. The rest are Sphinx's own scores.
var Scorer = {
  score: ([page, , , , score]) => score - (/^(api|_modules)\b/.test(page) ? 30 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
