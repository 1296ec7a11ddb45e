"""`python -m varma2023.publish`: make the book."""

from varma2023.publish.chapters import main

raise SystemExit(main())
