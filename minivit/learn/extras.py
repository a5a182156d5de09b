"""What only the book and the notebooks need: packages of the extra `[lessons]`."""
import importlib


def extra(module):
    """A module of the extra, imported. Raises OSError, with what to install, where it is not there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise OSError(f"{error.name} is not installed, which notebooks and the book are made with: in the folder of "
                      f"minivit's repository, python -m pip install -e '.[lessons]'") from error
