"""Structural breaks: regressions, variances, correlations, explosive roots, contagion, market phases, change points."""

from .bai_perron import BaiPerron
from .bai_perron_fit import BaiPerronFit
from .change_points import ChangePoints, ChangePointsFit
from .chow import chow_test
from .contagion import forbes_rigobon_test
from .correlation_matrix import correlation_matrix_test
from .coskewness import fry_martin_tang_test
from .dette_wu_zhou import dette_wu_zhou_test
from .equal_correlation import equal_correlation_test, jennrich_test
from .explosive import ExplosiveTest, gsadf_test
from .explosive_monitor import ExplosiveMonitor, ExplosiveMonitoring
from .explosive_panel import panel_gsadf_test
from .fluctuation import cusum_test, fluctuation_test, mosum_test
from .galeano_wied import GaleanoWied, GaleanoWiedFit
from .icss import ICSS, ICSSFit, variance_break_test
from .interdependence import InterdependenceFit, corsetti_pericoli_sbracia
from .lee_strazicich import lee_strazicich_test
from .monitoring import Monitor, MonitorFit
from .nyblom import nyblom_hansen_test
from .phases import BryBoschan, LundeTimmermann, PaganSossounov, PhasesFit
from .qu_perron import QuPerron, QuPerronFit
from .results import BreakTest
from .sup_wald import sup_wald_test
from .unit_root_search import UnitRootBreakTest
from .unit_roots import lumsdaine_papell_test, zivot_andrews_test
from .wied import wied_kraemer_dehling_test

__all__ = [
    "ICSS",
    "BaiPerron",
    "BaiPerronFit",
    "BreakTest",
    "BryBoschan",
    "ChangePoints",
    "ChangePointsFit",
    "ExplosiveMonitor",
    "ExplosiveMonitoring",
    "ExplosiveTest",
    "GaleanoWied",
    "GaleanoWiedFit",
    "ICSSFit",
    "InterdependenceFit",
    "LundeTimmermann",
    "Monitor",
    "MonitorFit",
    "PaganSossounov",
    "PhasesFit",
    "QuPerron",
    "QuPerronFit",
    "UnitRootBreakTest",
    "chow_test",
    "correlation_matrix_test",
    "corsetti_pericoli_sbracia",
    "cusum_test",
    "dette_wu_zhou_test",
    "equal_correlation_test",
    "fluctuation_test",
    "forbes_rigobon_test",
    "fry_martin_tang_test",
    "gsadf_test",
    "jennrich_test",
    "lee_strazicich_test",
    "lumsdaine_papell_test",
    "mosum_test",
    "nyblom_hansen_test",
    "panel_gsadf_test",
    "sup_wald_test",
    "variance_break_test",
    "wied_kraemer_dehling_test",
    "zivot_andrews_test",
]
