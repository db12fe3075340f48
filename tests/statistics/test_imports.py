import subprocess
import sys


def test_statistics_are_on_arrays_alone():
    code = (
        "import sys, pkgutil, importlib, patentlab.statistics as room\n"
        "for module in pkgutil.iter_modules(room.__path__): importlib.import_module(f'{room.__name__}.{module.name}')\n"
        "print(*{'pandas', 'torch', 'transformers', 'mlflow', 'hydra'} & set(sys.modules))\n"
        "print(*(name for name in sys.modules if name.startswith('patentlab.') and room.__name__ not in name))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
