"""Write the tables of docs/data-model.md anew: ``python -m tests.architecture.write_data_model``."""

from tests.architecture.data_model import PAGE, filled

if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
