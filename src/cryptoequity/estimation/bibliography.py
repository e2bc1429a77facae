"""Papers behind what is computed, as BibTeX."""

from __future__ import annotations

from ..errors import SpecError

__all__ = ["bibliography", "citation"]

_BIBLIOGRAPHY = {
    "silvennoinenterasvirta2015": (
        '@article{silvennoinenterasvirta2015, author={Silvennoinen, Annastiina and Ter{\\"a}svirta, Timo}, '
        "title={Modeling Conditional Correlations of Asset Returns: A Smooth Transition Approach}, "
        "journal={Econometric Reviews}, volume={34}, number={1--2}, pages={174--197}, year={2015}}"
    ),
    "silvennoinenterasvirta2009": (
        '@article{silvennoinenterasvirta2009, author={Silvennoinen, Annastiina and Ter{\\"a}svirta, Timo}, '
        "title={Modeling Multivariate Autoregressive Conditional Heteroskedasticity with the Double Smooth Transition "
        "Conditional Correlation {GARCH} Model}, journal={Journal of Financial Econometrics}, volume={7}, number={4}, "
        "pages={373--411}, year={2009}}"
    ),
    "berbenjansen2005": (
        "@article{berbenjansen2005, author={Berben, Robert-Paul and Jansen, W. Jos}, title={Comovement in "
        "International Equity Markets: A Sectoral View}, journal={Journal of International Money and Finance}, "
        "volume={24}, pages={832--857}, year={2005}}"
    ),
    "bollerslev1986": (
        "@article{bollerslev1986, author={Bollerslev, Tim}, title={Generalized Autoregressive Conditional "
        "Heteroskedasticity}, journal={Journal of Econometrics}, volume={31}, number={3}, pages={307--327}, "
        "year={1986}}"
    ),
    "bollerslev1987": (
        "@article{bollerslev1987, author={Bollerslev, Tim}, title={A Conditionally Heteroskedastic Time Series "
        "Model for Speculative Prices and Rates of Return}, journal={Review of Economics and Statistics}, "
        "volume={69}, number={3}, pages={542--547}, year={1987}}"
    ),
    "glosten1993": (
        "@article{glosten1993, author={Glosten, Lawrence R. and Jagannathan, Ravi and Runkle, David E.}, "
        "title={On the Relation between the Expected Value and the Volatility of the Nominal Excess Return on "
        "Stocks}, journal={Journal of Finance}, volume={48}, number={5}, pages={1779--1801}, year={1993}}"
    ),
    "nelson1991": (
        "@article{nelson1991, author={Nelson, Daniel B.}, title={Conditional Heteroskedasticity in Asset Returns: "
        "A New Approach}, journal={Econometrica}, volume={59}, number={2}, pages={347--370}, year={1991}}"
    ),
    "hansen1994": (
        "@article{hansen1994, author={Hansen, Bruce E.}, title={Autoregressive Conditional Density Estimation}, "
        "journal={International Economic Review}, volume={35}, number={3}, pages={705--730}, year={1994}}"
    ),
    "bollerslev1990": (
        "@article{bollerslev1990, author={Bollerslev, Tim}, title={Modelling the Coherence in Short-Run Nominal "
        "Exchange Rates: A Multivariate Generalized ARCH Model}, journal={Review of Economics and Statistics}, "
        "volume={72}, number={3}, pages={498--505}, year={1990}}"
    ),
    "engle2002": (
        "@article{engle2002, author={Engle, Robert}, title={Dynamic Conditional Correlation: A Simple Class of "
        "Multivariate Generalized Autoregressive Conditional Heteroskedasticity Models}, journal={Journal of "
        "Business \\& Economic Statistics}, volume={20}, number={3}, pages={339--350}, year={2002}}"
    ),
    "englesheppard2001": (
        "@techreport{englesheppard2001, author={Engle, Robert F. and Sheppard, Kevin}, title={Theoretical and "
        "Empirical Properties of Dynamic Conditional Correlation Multivariate {GARCH}}, institution={National "
        "Bureau of Economic Research}, type={Working Paper}, number={8554}, year={2001}}"
    ),
    "aielli2013": (
        "@article{aielli2013, author={Aielli, Gian Piero}, title={Dynamic Conditional Correlation: On Properties and "
        "Estimation}, journal={Journal of Business \\& Economic Statistics}, volume={31}, number={3}, "
        "pages={282--299}, year={2013}}"
    ),
    "cappiello2006": (
        "@article{cappiello2006, author={Cappiello, Lorenzo and Engle, Robert F. and Sheppard, Kevin}, "
        "title={Asymmetric Dynamics in the Correlations of Global Equity and Bond Returns}, journal={Journal of "
        "Financial Econometrics}, volume={4}, number={4}, pages={537--572}, year={2006}}"
    ),
    "neweymcfadden1994": (
        "@incollection{neweymcfadden1994, author={Newey, Whitney K. and McFadden, Daniel}, title={Large Sample "
        "Estimation and Hypothesis Testing}, booktitle={Handbook of Econometrics}, volume={4}, "
        "pages={2111--2245}, publisher={Elsevier}, year={1994}}"
    ),
    "neweywest1987": (
        "@article{neweywest1987, author={Newey, Whitney K. and West, Kenneth D.}, title={A Simple, Positive "
        "Semi-Definite, Heteroskedasticity and Autocorrelation Consistent Covariance Matrix}, "
        "journal={Econometrica}, volume={55}, number={3}, pages={703--708}, year={1987}}"
    ),
    "lazarus2018": (
        "@article{lazarus2018, author={Lazarus, Eben and Lewis, Daniel J. and Stock, James H. and Watson, Mark W.}, "
        "title={{HAR} Inference: Recommendations for Practice}, journal={Journal of Business \\& Economic "
        "Statistics}, volume={36}, number={4}, pages={541--559}, year={2018}}"
    ),
    "forbesrigobon2002": (
        "@article{forbesrigobon2002, author={Forbes, Kristin J. and Rigobon, Roberto}, title={No Contagion, Only "
        "Interdependence: Measuring Stock Market Comovements}, journal={Journal of Finance}, volume={57}, "
        "number={5}, pages={2223--2261}, year={2002}}"
    ),
    "englekroner1995": (
        "@article{englekroner1995, author={Engle, Robert F. and Kroner, Kenneth F.}, title={Multivariate "
        "Simultaneous Generalized {ARCH}}, journal={Econometric Theory}, volume={11}, number={1}, pages={122--150}, "
        "year={1995}}"
    ),
    "kronerng1998": (
        "@article{kronerng1998, author={Kroner, Kenneth F. and Ng, Victor K.}, title={Modeling Asymmetric Comovements "
        "of Asset Returns}, journal={Review of Financial Studies}, volume={11}, number={4}, pages={817--844}, "
        "year={1998}}"
    ),
    "pedersenrahbek2014": (
        "@article{pedersenrahbek2014, author={Pedersen, Rasmus S. and Rahbek, Anders}, title={Multivariate Variance "
        "Targeting in the {BEKK-GARCH} Model}, journal={Econometrics Journal}, volume={17}, number={1}, "
        "pages={24--55}, year={2014}}"
    ),
    "holm1979": (
        "@article{holm1979, author={Holm, Sture}, title={A Simple Sequentially Rejective Multiple Test Procedure}, "
        "journal={Scandinavian Journal of Statistics}, volume={6}, number={2}, pages={65--70}, year={1979}}"
    ),
    "andrews1993": (
        "@article{andrews1993, author={Andrews, Donald W. K.}, title={Tests for Parameter Instability and "
        "Structural Change with Unknown Change Point}, journal={Econometrica}, volume={61}, number={4}, "
        "pages={821--856}, year={1993}}"
    ),
    "ledoitwolf2004": (
        "@article{ledoitwolf2004, author={Ledoit, Olivier and Wolf, Michael}, title={A Well-Conditioned Estimator for "
        "Large-Dimensional Covariance Matrices}, journal={Journal of Multivariate Analysis}, volume={88}, number={2}, "
        "pages={365--411}, year={2004}}"
    ),
    "ledoitwolf2004b": (
        "@article{ledoitwolf2004b, author={Ledoit, Olivier and Wolf, Michael}, title={Honey, {I} Shrunk the Sample "
        "Covariance Matrix}, journal={Journal of Portfolio Management}, volume={30}, number={4}, pages={110--119}, "
        "year={2004}}"
    ),
    "ledoitwolf2020": (
        "@article{ledoitwolf2020, author={Ledoit, Olivier and Wolf, Michael}, title={Analytical Nonlinear Shrinkage "
        "of Large-Dimensional Covariance Matrices}, journal={Annals of Statistics}, volume={48}, number={5}, "
        "pages={3043--3065}, year={2020}}"
    ),
    "politisromano1994": (
        "@article{politisromano1994, author={Politis, Dimitris N. and Romano, Joseph P.}, title={The Stationary "
        "Bootstrap}, journal={Journal of the American Statistical Association}, volume={89}, number={428}, "
        "pages={1303--1313}, year={1994}}"
    ),
    "kronersultan1993": (
        "@article{kronersultan1993, author={Kroner, Kenneth F. and Sultan, Jahangir}, title={Time-Varying "
        "Distributions and Dynamic Hedging with Foreign Currency Futures}, journal={Journal of Financial and "
        "Quantitative Analysis}, volume={28}, number={4}, pages={535--551}, year={1993}}"
    ),
    "riskmetrics1996": (
        "@techreport{riskmetrics1996, author={{J.P. Morgan and Reuters}}, title={{RiskMetrics} --- Technical "
        "Document}, edition={Fourth}, institution={Morgan Guaranty Trust Company}, address={New York}, year={1996}}"
    ),
    "zumbach2007": (
        "@techreport{zumbach2007, author={Zumbach, Gilles}, title={The {RiskMetrics} 2006 Methodology}, "
        "institution={RiskMetrics Group}, type={Technical Document}, year={2007}}"
    ),
    "alexander2001": (
        "@incollection{alexander2001, author={Alexander, Carol}, title={Orthogonal {GARCH}}, booktitle={Mastering "
        "Risk}, volume={2}, pages={21--38}, publisher={Financial Times--Prentice Hall}, address={London}, year={2001}}"
    ),
    "vanderweide2002": (
        "@article{vanderweide2002, author={van der Weide, Roy}, title={{GO-GARCH}: A Multivariate Generalized "
        "Orthogonal {GARCH} Model}, journal={Journal of Applied Econometrics}, volume={17}, number={5}, "
        "pages={549--564}, year={2002}}"
    ),
    "creal2013": (
        "@article{creal2013, author={Creal, Drew and Koopman, Siem Jan and Lucas, Andr{\\'e}}, title={Generalized "
        "Autoregressive Score Models with Applications}, journal={Journal of Applied Econometrics}, volume={28}, "
        "number={5}, pages={777--795}, year={2013}}"
    ),
    "creal2011": (
        "@article{creal2011, author={Creal, Drew and Koopman, Siem Jan and Lucas, Andr{\\'e}}, title={A Dynamic "
        "Multivariate Heavy-Tailed Model for Time-Varying Volatilities and Correlations}, journal={Journal of "
        "Business \\& Economic Statistics}, volume={29}, number={4}, pages={552--563}, year={2011}}"
    ),
    "harvey2013": (
        "@book{harvey2013, author={Harvey, Andrew C.}, title={Dynamic Models for Volatility and Heavy Tails}, "
        "series={Econometric Society Monographs}, publisher={Cambridge University Press}, year={2013}}"
    ),
    "patton2006": (
        "@article{patton2006, author={Patton, Andrew J.}, title={Modelling Asymmetric Exchange Rate Dependence}, "
        "journal={International Economic Review}, volume={47}, number={2}, pages={527--556}, year={2006}}"
    ),
    "jondeaurockinger2006": (
        "@article{jondeaurockinger2006, author={Jondeau, Eric and Rockinger, Michael}, title={The Copula-{GARCH} Model "
        "of Conditional Dependencies: An International Stock Market Application}, journal={Journal of International "
        "Money and Finance}, volume={25}, number={5}, pages={827--853}, year={2006}}"
    ),
    "chenfan2006": (
        "@article{chenfan2006, author={Chen, Xiaohong and Fan, Yanqin}, title={Estimation and Model Selection of "
        "Semiparametric Copula-Based Multivariate Dynamic Models under Copula Misspecification}, journal={Journal of "
        "Econometrics}, volume={135}, number={1--2}, pages={125--154}, year={2006}}"
    ),
    "genest1995": (
        "@article{genest1995, author={Genest, C. and Ghoudi, K. and Rivest, L.-P.}, title={A Semiparametric Estimation "
        "Procedure of Dependence Parameters in Multivariate Families of Distributions}, journal={Biometrika}, "
        "volume={82}, number={3}, pages={543--552}, year={1995}}"
    ),
    "demartamcneil2005": (
        "@article{demartamcneil2005, author={Demarta, Stefano and McNeil, Alexander J.}, title={The t Copula and "
        "Related Copulas}, journal={International Statistical Review}, volume={73}, number={1}, pages={111--129}, "
        "year={2005}}"
    ),
    "pakel2021": (
        "@article{pakel2021, author={Pakel, Cavit and Shephard, Neil and Sheppard, Kevin and Engle, Robert F.}, "
        "title={Fitting Vast Dimensional Time-Varying Covariance Models}, journal={Journal of Business \\& Economic "
        "Statistics}, volume={39}, number={3}, pages={652--668}, year={2021}}"
    ),
    "englekelly2012": (
        "@article{englekelly2012, author={Engle, Robert and Kelly, Bryan}, title={Dynamic Equicorrelation}, "
        "journal={Journal of Business \\& Economic Statistics}, volume={30}, number={2}, pages={212--228}, year={2012}}"
    ),
    "archakovhansen2024": (
        "@article{archakovhansen2024, author={Archakov, Ilya and Hansen, Peter Reinhard}, title={A Canonical "
        "Representation of Block Matrices with Applications to Covariance and Correlation Matrices}, journal={Review "
        "of Economics and Statistics}, volume={106}, number={4}, pages={1099--1113}, year={2024}}"
    ),
    "vargas2010": (
        "@article{vargas2010, author={Vargas, Gregorio A.}, title={What Drives the Dynamic Conditional Correlation of "
        "Foreign Exchange and Equity Returns?}, journal={The Philippine Statistician}, volume={59}, number={1}, "
        "year={2010}}"
    ),
    "colacito2011": (
        "@article{colacito2011, author={Colacito, Riccardo and Engle, Robert F. and Ghysels, Eric}, title={A Component "
        "Model for Dynamic Correlations}, journal={Journal of Econometrics}, volume={164}, number={1}, "
        "pages={45--59}, year={2011}}"
    ),
    "harris2020": (
        "@article{harris2020, author={Harris, Kenneth D.}, title={Nonsense Correlations in Neuroscience}, "
        "journal={bioRxiv}, year={2020}, note={2020.11.29.402719}}"
    ),
    "corsetti2005": (
        "@article{corsetti2005, author={Corsetti, Giancarlo and Pericoli, Marcello and Sbracia, Massimo}, title={`Some "
        "Contagion, Some Interdependence': More Pitfalls in Tests of Financial Contagion}, journal={Journal of "
        "International Money and Finance}, volume={24}, year={2005}}"
    ),
    "frymartintang2010": (
        "@article{frymartintang2010, author={Fry, Ren{\\'e}e and Martin, Vance L. and Tang, Chrismin}, title={A New "
        "Class of Tests of Contagion with Applications}, journal={Journal of Business \\& Economic Statistics}, "
        "volume={28}, number={3}, pages={423--437}, year={2010}}"
    ),
    "pagansossounov2003": (
        "@article{pagansossounov2003, author={Pagan, Adrian R. and Sossounov, Kirill A.}, title={A Simple Framework "
        "for Analysing Bull and Bear Markets}, journal={Journal of Applied Econometrics}, volume={18}, number={1}, "
        "pages={23--46}, year={2003}}"
    ),
    "lundetimmermann2004": (
        "@article{lundetimmermann2004, author={Lunde, Asger and Timmermann, Allan}, title={Duration Dependence in "
        "Stock Prices: An Analysis of Bull and Bear Markets}, journal={Journal of Business \\& Economic Statistics}, "
        "volume={22}, number={3}, pages={253--273}, year={2004}}"
    ),
    "bryboschan1971": (
        "@book{bryboschan1971, author={Bry, Gerhard and Boschan, Charlotte}, title={Cyclical Analysis of Time Series: "
        "Selected Procedures and Computer Programs}, publisher={National Bureau of Economic Research}, year={1971}}"
    ),
    "hardingpagan2002": (
        "@article{hardingpagan2002, author={Harding, Don and Pagan, Adrian}, title={Dissecting the Cycle: A "
        "Methodological Investigation}, journal={Journal of Monetary Economics}, volume={49}, number={2}, "
        "pages={365--381}, year={2002}}"
    ),
    "wied2012": (
        '@article{wied2012, author={Wied, Dominik and Kr{\\"a}mer, Walter and Dehling, Herold}, title={Testing for a '
        "Change in Correlation at an Unknown Point in Time Using an Extended Functional Delta Method}, "
        "journal={Econometric Theory}, volume={28}, number={3}, pages={570--589}, year={2012}}"
    ),
    "galeanowied2014": (
        "@article{galeanowied2014, author={Galeano, Pedro and Wied, Dominik}, title={Multiple Break Detection in the "
        "Correlation Structure of Random Variables}, journal={Computational Statistics \\& Data Analysis}, "
        "volume={76}, pages={262--282}, year={2014}}"
    ),
    "wied2017": (
        "@article{wied2017, author={Wied, Dominik}, title={A Nonparametric Test for a Constant Correlation Matrix}, "
        "journal={Econometric Reviews}, volume={36}, number={10}, pages={1157--1172}, year={2017}}"
    ),
    "dettewuzhou2019": (
        "@article{dettewuzhou2019, author={Dette, Holger and Wu, Weichi and Zhou, Zhou}, title={Change Point Analysis "
        "of Correlation in Non-Stationary Time Series}, journal={Statistica Sinica}, volume={29}, pages={611--643}, "
        "year={2019}}"
    ),
    "choishin2019": (
        "@article{choishin2019, author={Choi, Ji-Eun and Shin, Dong Wan}, title={Moving Block Bootstrapping for a "
        "{CUSUM} Test for Correlation Change}, journal={Computational Statistics \\& Data Analysis}, volume={135}, "
        "pages={95--106}, year={2019}}"
    ),
    "jennrich1970": (
        "@article{jennrich1970, author={Jennrich, Robert I.}, title={An Asymptotic Chi-Square Test for the Equality of "
        "Two Correlation Matrices}, journal={Journal of the American Statistical Association}, volume={65}, "
        "number={330}, pages={904--912}, year={1970}}"
    ),
    "bai1997": (
        "@article{bai1997, author={Bai, Jushan}, title={Estimation of a Change Point in Multiple Regression Models}, "
        "journal={Review of Economics and Statistics}, volume={79}, number={4}, pages={551--563}, year={1997}}"
    ),
    "phillipswuyu2011": (
        "@article{phillipswuyu2011, author={Phillips, Peter C. B. and Wu, Yangru and Yu, Jun}, title={Explosive "
        "Behavior in the 1990s {NASDAQ}: When Did Exuberance Escalate Asset Values?}, journal={International Economic "
        "Review}, volume={52}, number={1}, pages={201--226}, year={2011}}"
    ),
    "phillipsshiyu2015": (
        "@article{phillipsshiyu2015, author={Phillips, Peter C. B. and Shi, Shuping and Yu, Jun}, title={Testing for "
        "Multiple Bubbles: Historical Episodes of Exuberance and Collapse in the {S\\&P} 500}, journal={International "
        "Economic Review}, volume={56}, number={4}, pages={1043--1078}, year={2015}}"
    ),
    "hlst2016": (
        "@article{hlst2016, author={Harvey, David I. and Leybourne, Stephen J. and Sollis, Robert and Taylor, A. M. "
        "Robert}, title={Tests for Explosive Financial Bubbles in the Presence of Non-Stationary Volatility}, "
        "journal={Journal of Empirical Finance}, volume={38}, pages={548--574}, year={2016}}"
    ),
    "phillipsshi2020": (
        "@incollection{phillipsshi2020, author={Phillips, Peter C. B. and Shi, Shuping}, title={Real Time Monitoring "
        "of Asset Markets: Bubbles and Crises}, booktitle={Handbook of Statistics}, volume={42}, pages={61--80}, "
        "publisher={Elsevier}, year={2020}}"
    ),
    "chow1960": (
        "@article{chow1960, author={Chow, Gregory C.}, title={Tests of Equality Between Sets of Coefficients in "
        "Two Linear Regressions}, journal={Econometrica}, volume={28}, number={3}, pages={591--605}, year={1960}}"
    ),
    "white1980": (
        "@article{white1980, author={White, Halbert}, title={A Heteroskedasticity-Consistent Covariance Matrix "
        "Estimator and a Direct Test for Heteroskedasticity}, journal={Econometrica}, volume={48}, number={4}, "
        "pages={817--838}, year={1980}}"
    ),
    "andrews1991": (
        "@article{andrews1991, author={Andrews, Donald W. K.}, title={Heteroskedasticity and Autocorrelation "
        "Consistent Covariance Matrix Estimation}, journal={Econometrica}, volume={59}, number={3}, "
        "pages={817--858}, year={1991}}"
    ),
    "andrewsmonahan1992": (
        "@article{andrewsmonahan1992, author={Andrews, Donald W. K. and Monahan, J. Christopher}, title={An "
        "Improved Heteroskedasticity and Autocorrelation Consistent Covariance Matrix Estimator}, "
        "journal={Econometrica}, volume={60}, number={4}, pages={953--966}, year={1992}}"
    ),
    "andrewsploberger1994": (
        "@article{andrewsploberger1994, author={Andrews, Donald W. K. and Ploberger, Werner}, title={Optimal Tests "
        "When a Nuisance Parameter Is Present Only Under the Alternative}, journal={Econometrica}, volume={62}, "
        "number={6}, pages={1383--1414}, year={1994}}"
    ),
    "hansen1992": (
        "@article{hansen1992, author={Hansen, Bruce E.}, title={Testing for Parameter Instability in Linear "
        "Models}, journal={Journal of Policy Modeling}, volume={14}, number={4}, pages={517--533}, year={1992}}"
    ),
    "hansen2000": (
        "@article{hansen2000, author={Hansen, Bruce E.}, title={Testing for Structural Change in Conditional "
        "Models}, journal={Journal of Econometrics}, volume={97}, number={1}, pages={93--115}, year={2000}}"
    ),
    "nyblom1989": (
        "@article{nyblom1989, author={Nyblom, Jukka}, title={Testing for the Constancy of Parameters Over Time}, "
        "journal={Journal of the American Statistical Association}, volume={84}, number={405}, pages={223--230}, "
        "year={1989}}"
    ),
    "delong1981": (
        "@article{delong1981, author={DeLong, David M.}, title={Crossing Probabilities for a Square Root Boundary "
        "by a Bessel Process}, journal={Communications in Statistics -- Theory and Methods}, volume={10}, "
        "number={21}, pages={2197--2213}, year={1981}}"
    ),
    "estrella2003": (
        "@article{estrella2003, author={Estrella, Arturo}, title={Critical Values and P Values of Bessel Process "
        "Distributions: Computation and Application to Structural Break Tests}, journal={Econometric Theory}, "
        "volume={19}, number={6}, pages={1128--1143}, year={2003}}"
    ),
    "quperron2007": (
        "@article{quperron2007, author={Qu, Zhongjun and Perron, Pierre}, title={Estimating and Testing Structural "
        "Changes in Multivariate Regressions}, journal={Econometrica}, volume={75}, number={2}, pages={459--502}, "
        "year={2007}}"
    ),
    "baiperron1998": (
        "@article{baiperron1998, author={Bai, Jushan and Perron, Pierre}, title={Estimating and Testing Linear Models "
        "with Multiple Structural Changes}, journal={Econometrica}, volume={66}, number={1}, pages={47--78}, "
        "year={1998}}"
    ),
    "baiperron2003": (
        "@article{baiperron2003, author={Bai, Jushan and Perron, Pierre}, title={Computation and Analysis of Multiple "
        "Structural Change Models}, journal={Journal of Applied Econometrics}, volume={18}, number={1}, pages={1--22}, "
        "year={2003}}"
    ),
    "bai1997one": (
        "@article{bai1997one, author={Bai, Jushan}, title={Estimating Multiple Breaks One at a Time}, "
        "journal={Econometric Theory}, volume={13}, number={3}, pages={315--352}, year={1997}}"
    ),
    "yao1988": (
        "@article{yao1988, author={Yao, Yi-Ching}, title={Estimating the Number of Change-Points via {Schwarz}' "
        "Criterion}, journal={Statistics \\& Probability Letters}, volume={6}, number={3}, pages={181--189}, "
        "year={1988}}"
    ),
    "liuwuzidek1997": (
        "@article{liuwuzidek1997, author={Liu, Jian and Wu, Shiying and Zidek, James V.}, title={On Segmented "
        "Multivariate Regression}, journal={Statistica Sinica}, volume={7}, pages={497--525}, year={1997}}"
    ),
    "kurozumi2011": (
        "@article{kurozumi2011, author={Kurozumi, Eiji and Tuvaandorj, Purevdorj}, title={Model Selection Criteria in "
        "Multivariate Models with Multiple Structural Changes}, journal={Journal of Econometrics}, volume={164}, "
        "number={2}, pages={218--238}, year={2011}}"
    ),
    "browndurbinevans1975": (
        "@article{browndurbinevans1975, author={Brown, R. L. and Durbin, J. and Evans, J. M.}, title={Techniques "
        "for Testing the Constancy of Regression Relationships over Time}, journal={Journal of the Royal "
        "Statistical Society B}, volume={37}, number={2}, pages={149--192}, year={1975}}"
    ),
    "durbin1969": (
        "@article{durbin1969, author={Durbin, J.}, title={Tests for Serial Correlation in Regression Analysis "
        "Based on the Periodogram of Least-Squares Residuals}, journal={Biometrika}, volume={56}, number={1}, "
        "pages={1--15}, year={1969}}"
    ),
    "plobergerkramerkontrus1989": (
        '@article{plobergerkramerkontrus1989, author={Ploberger, Werner and Kr{\\"a}mer, Walter and Kontrus, '
        "Karl}, title={A New Test for Structural Stability in the Linear Regression Model}, journal={Journal of "
        "Econometrics}, volume={40}, number={2}, pages={307--318}, year={1989}}"
    ),
    "plobergerkramer1992": (
        '@article{plobergerkramer1992, author={Ploberger, Werner and Kr{\\"a}mer, Walter}, title={The CUSUM Test '
        "with OLS Residuals}, journal={Econometrica}, volume={60}, number={2}, pages={271--285}, year={1992}}"
    ),
    "chuhornikkuan1995": (
        "@article{chuhornikkuan1995, author={Chu, Chia-Shang James and Hornik, Kurt and Kuan, Chung-Ming}, "
        "title={MOSUM Tests for Parameter Constancy}, journal={Biometrika}, volume={82}, number={3}, "
        "pages={603--617}, year={1995}}"
    ),
    "chuhornikkuan1995b": (
        "@article{chuhornikkuan1995b, author={Chu, Chia-Shang James and Hornik, Kurt and Kuan, Chung-Ming}, "
        "title={The Moving-Estimates Test for Parameter Stability}, journal={Econometric Theory}, volume={11}, "
        "number={4}, year={1995}}"
    ),
    "kuanhornik1995": (
        "@article{kuanhornik1995, author={Kuan, Chung-Ming and Hornik, Kurt}, title={The Generalized Fluctuation "
        "Test: A Unifying View}, journal={Econometric Reviews}, volume={14}, number={2}, pages={135--161}, "
        "year={1995}}"
    ),
    "zeileis2002": (
        "@article{zeileis2002, author={Zeileis, Achim and Leisch, Friedrich and Hornik, Kurt and Kleiber, "
        "Christian}, title={strucchange: An R Package for Testing for Structural Change in Linear Regression "
        "Models}, journal={Journal of Statistical Software}, volume={7}, number={2}, pages={1--38}, year={2002}}"
    ),
    "zeileishornik2007": (
        "@article{zeileishornik2007, author={Zeileis, Achim and Hornik, Kurt}, title={Generalized M-Fluctuation "
        "Tests for Parameter Instability}, journal={Statistica Neerlandica}, volume={61}, number={4}, "
        "pages={488--508}, year={2007}}"
    ),
    "chustinchcombewhite1996": (
        "@article{chustinchcombewhite1996, author={Chu, Chia-Shang James and Stinchcombe, Maxwell and White, "
        "Halbert}, title={Monitoring Structural Change}, journal={Econometrica}, volume={64}, number={5}, "
        "pages={1045--1065}, year={1996}}"
    ),
    "leischhornikkuan2000": (
        "@article{leischhornikkuan2000, author={Leisch, Friedrich and Hornik, Kurt and Kuan, Chung-Ming}, "
        "title={Monitoring Structural Changes with the Generalized Fluctuation Test}, journal={Econometric "
        "Theory}, volume={16}, number={6}, pages={835--854}, year={2000}}"
    ),
    "zeileis2005": (
        "@article{zeileis2005, author={Zeileis, Achim and Leisch, Friedrich and Kleiber, Christian and Hornik, "
        "Kurt}, title={Monitoring Structural Change in Dynamic Econometric Models}, journal={Journal of Applied "
        "Econometrics}, volume={20}, number={1}, pages={99--121}, year={2005}}"
    ),
    "inclantiao1994": (
        "@article{inclantiao1994, author={Incl{\\'a}n, Carla and Tiao, George C.}, title={Use of Cumulative Sums "
        "of Squares for Retrospective Detection of Changes of Variance}, journal={Journal of the American "
        "Statistical Association}, volume={89}, number={427}, pages={913--923}, year={1994}}"
    ),
    "sanso2004": (
        "@article{sanso2004, author={Sans{\\'o}, Andreu and Arag{\\'o}, Vicent and Carrion-i-Silvestre, Josep "
        "Llu{\\'i}s}, title={Testing for Changes in the Unconditional Variance of Financial Time Series}, "
        "journal={Revista de Econom{\\'i}a Financiera}, volume={4}, pages={32--53}, year={2004}}"
    ),
    "kulpergeryu2005": (
        "@article{kulpergeryu2005, author={Kulperger, Reg and Yu, Hao}, title={High Moment Partial Sum Processes "
        "of Residuals in GARCH Models and Their Applications}, journal={Annals of Statistics}, volume={33}, "
        "number={5}, pages={2395--2422}, year={2005}}"
    ),
    "zivot1992": (
        "@article{zivot1992, author={Zivot, Eric and Andrews, Donald W. K.}, title={Further Evidence on the "
        "Great Crash, the Oil-Price Shock, and the Unit-Root Hypothesis}, journal={Journal of Business \\& "
        "Economic Statistics}, volume={10}, number={3}, pages={251--270}, year={1992}}"
    ),
    "lumsdaine1997": (
        "@article{lumsdaine1997, author={Lumsdaine, Robin L. and Papell, David H.}, title={Multiple Trend "
        "Breaks and the Unit-Root Hypothesis}, journal={Review of Economics and Statistics}, volume={79}, "
        "number={2}, pages={212--218}, year={1997}}"
    ),
    "leestrazicich2003": (
        "@article{leestrazicich2003, author={Lee, Junsoo and Strazicich, Mark C.}, title={Minimum Lagrange "
        "Multiplier Unit Root Test with Two Structural Breaks}, journal={Review of Economics and Statistics}, "
        "volume={85}, number={4}, pages={1082--1089}, year={2003}}"
    ),
    "leestrazicich2013": (
        "@article{leestrazicich2013, author={Lee, Junsoo and Strazicich, Mark C.}, title={Minimum LM Unit "
        "Root Test with One Structural Break}, journal={Economics Bulletin}, volume={33}, number={4}, "
        "pages={2483--2492}, year={2013}}"
    ),
    "auger1989": (
        "@article{auger1989, author={Auger, Ivan E. and Lawrence, Charles E.}, title={Algorithms for the "
        "Optimal Identification of Segment Neighborhoods}, journal={Bulletin of Mathematical Biology}, "
        "volume={51}, number={1}, pages={39--54}, year={1989}}"
    ),
    "killick2012": (
        "@article{killick2012, author={Killick, R. and Fearnhead, P. and Eckley, I. A.}, title={Optimal "
        "Detection of Changepoints with a Linear Computational Cost}, journal={Journal of the American "
        "Statistical Association}, volume={107}, number={500}, pages={1590--1598}, year={2012}}"
    ),
    "vostrikova1981": (
        "@article{vostrikova1981, author={Vostrikova, L. Ju.}, title={Detecting ``Disorder'' in "
        "Multidimensional Random Processes}, journal={Soviet Mathematics Doklady}, volume={24}, pages={55-- "
        "59}, year={1981}}"
    ),
    "fryzlewicz2014": (
        "@article{fryzlewicz2014, author={Fryzlewicz, Piotr}, title={Wild Binary Segmentation for Multiple "
        "Change-Point Detection}, journal={Annals of Statistics}, volume={42}, number={6}, pages={2243-- "
        "2281}, year={2014}}"
    ),
    "zhangsiegmund2007": (
        "@article{zhangsiegmund2007, author={Zhang, Nancy R. and Siegmund, David O.}, title={A Modified Bayes "
        "Information Criterion with Applications to the Analysis of Comparative Genomic Hybridization Data}, "
        "journal={Biometrics}, volume={63}, number={1}, pages={22--32}, year={2007}}"
    ),
    "pavlidis2016": (
        "@article{pavlidis2016, author={Pavlidis, Efthymios and Yusupova, Alisa and Paya, Ivan and Peel, David and "
        "Mart{\\'\\i}nez-Garc{\\'\\i}a, Enrique and Mack, Adrienne and Grossman, Valerie}, title={Episodes of "
        "Exuberance in Housing Markets: In Search of the Smoking Gun}, journal={Journal of Real Estate Finance and "
        "Economics}, volume={53}, number={4}, pages={419--449}, year={2016}}"
    ),
    "diebold1994": (
        "@incollection{diebold1994, author={Diebold, Francis X. and Lee, Joon-Haeng and Weinbach, Gretchen "
        "C.}, title={Regime Switching with Time-Varying Transition Probabilities}, booktitle={Nonstationary "
        "Time Series Analysis and Cointegration}, editor={Hargreaves, Colin P.}, publisher={Oxford University"
        " Press}, pages={283--302}, year={1994}}"
    ),
    "filardo1994": (
        "@article{filardo1994, author={Filardo, Andrew J.}, title={Business-Cycle Phases and Their "
        "Transitional Dynamics}, journal={Journal of Business and Economic Statistics}, volume={12}, "
        "number={3}, pages={299--308}, year={1994}}"
    ),
    "hardingpagan2006": (
        "@article{hardingpagan2006, author={Harding, Don and Pagan, Adrian}, title={Synchronization of "
        "Cycles}, journal={Journal of Econometrics}, volume={132}, number={1}, pages={59--79}, year={2006}}"
    ),
    "kiefervogelsang2005": (
        "@article{kiefervogelsang2005, author={Kiefer, Nicholas M. and Vogelsang, Timothy J.}, title={A New "
        "Asymptotic Theory for Heteroskedasticity-Autocorrelation Robust Tests}, journal={Econometric "
        "Theory}, volume={21}, number={6}, pages={1130--1164}, year={2005}}"
    ),
    "hansen1996": (
        "@article{hansen1996, author={Hansen, Bruce E.}, title={Inference When a Nuisance Parameter Is Not "
        "Identified under the Null Hypothesis}, journal={Econometrica}, volume={64}, number={2}, pages={413--"
        "430}, year={1996}}"
    ),
    "hansen2000threshold": (
        "@article{hansen2000threshold, author={Hansen, Bruce E.}, title={Sample Splitting and Threshold "
        "Estimation}, journal={Econometrica}, volume={68}, number={3}, pages={575--603}, year={2000}}"
    ),
    "luukkonen1988": (
        '@article{luukkonen1988, author={Luukkonen, Ritva and Saikkonen, Pentti and Ter{\\"a}svirta, Timo}, '
        "title={Testing Linearity against Smooth Transition Autoregressive Models}, journal={Biometrika}, "
        "volume={75}, number={3}, pages={491--499}, year={1988}}"
    ),
    "terasvirta1994": (
        '@article{terasvirta1994, author={Ter{\\"a}svirta, Timo}, title={Specification, Estimation, and '
        "Evaluation of Smooth Transition Autoregressive Models}, journal={Journal of the American Statistical"
        " Association}, volume={89}, number={425}, pages={208--218}, year={1994}}"
    ),
    "durlandmccurdy1994": (
        "@article{durlandmccurdy1994, author={Durland, J. Michael and McCurdy, Thomas H.}, title={Duration-"
        "Dependent Transitions in a Markov Model of U.S. GNP Growth}, journal={Journal of Business and "
        "Economic Statistics}, volume={12}, number={3}, pages={279--288}, year={1994}}"
    ),
    "hamilton1989": (
        "@article{hamilton1989, author={Hamilton, James D.}, title={A New Approach to the Economic Analysis "
        "of Nonstationary Time Series and the Business Cycle}, journal={Econometrica}, volume={57}, "
        "number={2}, pages={357--384}, year={1989}}"
    ),
    "pelletier2006": (
        "@article{pelletier2006, author={Pelletier, Denis}, title={Regime Switching for Dynamic "
        "Correlations}, journal={Journal of Econometrics}, volume={131}, number={1--2}, pages={445--473}, "
        "year={2006}}"
    ),
    "haas2004": (
        "@article{haas2004, author={Haas, Markus and Mittnik, Stefan and Paolella, Marc S.}, title={A New "
        "Approach to Markov-Switching GARCH Models}, journal={Journal of Financial Econometrics}, "
        "volume={2}, number={4}, pages={493--530}, year={2004}}"
    ),
    "gray1996": (
        "@article{gray1996, author={Gray, Stephen F.}, title={Modeling the Conditional Distribution of "
        "Interest Rates as a Regime-Switching Process}, journal={Journal of Financial Economics}, "
        "volume={42}, number={1}, pages={27--62}, year={1996}}"
    ),
    "klaassen2002": (
        "@article{klaassen2002, author={Klaassen, Franc}, title={Improving GARCH Volatility Forecasts with "
        "Regime-Switching GARCH}, journal={Empirical Economics}, volume={27}, pages={363--394}, year={2002}}"
    ),
    "billiocaporin2005": (
        "@article{billiocaporin2005, author={Billio, Monica and Caporin, Massimiliano}, title={Multivariate "
        "Markov Switching Dynamic Conditional Correlation GARCH Representations for Contagion Analysis}, "
        "journal={Statistical Methods and Applications}, volume={14}, pages={145--161}, year={2005}}"
    ),
    "kim1994": (
        "@article{kim1994, author={Kim, Chang-Jin}, title={Dynamic Linear Models with Markov-Switching}, "
        "journal={Journal of Econometrics}, volume={60}, pages={1--22}, year={1994}}"
    ),
    "carrascohuploberger2014": (
        "@article{carrascohuploberger2014, author={Carrasco, Marine and Hu, Liang and Ploberger, Werner}, "
        "title={Optimal Test for {Markov} Switching Parameters}, journal={Econometrica}, volume={82}, number={2}, "
        "pages={765--784}, year={2014}}"
    ),
    "dufourluger2017": (
        "@article{dufourluger2017, author={Dufour, Jean-Marie and Luger, Richard}, title={Identification-Robust "
        "Moment-Based Tests for {Markov} Switching in Autoregressive Models}, journal={Econometric Reviews}, "
        "volume={36}, number={6--9}, pages={713--727}, year={2017}}"
    ),
    "dufour2006": (
        "@article{dufour2006, author={Dufour, Jean-Marie}, title={{Monte Carlo} Tests with Nuisance Parameters: A "
        "General Approach to Finite-Sample Inference and Nonstandard Asymptotics}, journal={Journal of "
        "Econometrics}, volume={133}, number={2}, pages={443--477}, year={2006}}"
    ),
    "quzhuo2021": (
        "@article{quzhuo2021, author={Qu, Zhongjun and Zhuo, Fan}, title={Likelihood Ratio-Based Tests for {Markov} "
        "Regime Switching}, journal={Review of Economic Studies}, volume={88}, number={2}, pages={937--968}, "
        "year={2021}}"
    ),
    "rodriguezrondondufour2024": (
        "@unpublished{rodriguezrondondufour2024, author={Rodriguez-Rondon, Gabriel and Dufour, Jean-Marie}, "
        "title={{Monte Carlo} Likelihood Ratio Tests for {Markov} Switching Models}, note={Working paper}, year={2024}}"
    ),
    "psaradakisspagnolo2003": (
        "@article{psaradakisspagnolo2003, author={Psaradakis, Zacharias and Spagnolo, Nicola}, title={On the "
        "Determination of the Number of Regimes in {Markov}-Switching Autoregressive Models}, journal={Journal of Time "
        "Series Analysis}, volume={24}, number={2}, pages={237--252}, year={2003}}"
    ),
    "goldfeldquandt1973": (
        "@article{goldfeldquandt1973, author={Goldfeld, Stephen M. and Quandt, Richard E.}, title={A Markov Model for "
        "Switching Regressions}, journal={Journal of Econometrics}, volume={1}, number={1}, pages={3--15}, year={1973}}"
    ),
    "krolzig1997": (
        "@book{krolzig1997, author={Krolzig, Hans-Martin}, title={Markov-Switching Vector Autoregressions}, "
        "series={Lecture Notes in Economics and Mathematical Systems}, number={454}, publisher={Springer}, year={1997}}"
    ),
    "romanowolf2005": (
        "@article{romanowolf2005, author={Romano, Joseph P. and Wolf, Michael}, title={Stepwise Multiple Testing as "
        "Formalized Data Snooping}, journal={Econometrica}, volume={73}, number={4}, pages={1237--1282}, year={2005}}"
    ),
    "romanowolf2016": (
        "@article{romanowolf2016, author={Romano, Joseph P. and Wolf, Michael}, title={Efficient Computation of "
        "Adjusted p-Values for Resampling-Based Stepdown Multiple Testing}, journal={Statistics \\& Probability "
        "Letters}, volume={113}, pages={38--40}, year={2016}}"
    ),
    "simonsohn2020": (
        "@article{simonsohn2020, author={Simonsohn, Uri and Simmons, Joseph P. and Nelson, Leif D.}, "
        "title={Specification Curve Analysis}, journal={Nature Human Behaviour}, volume={4}, number={11}, "
        "pages={1208--1214}, year={2020}}"
    ),
    "hemerikgoeman2018": (
        "@article{hemerikgoeman2018, author={Hemerik, Jesse and Goeman, Jelle}, title={Exact Testing with Random "
        "Permutations}, journal={TEST}, volume={27}, number={4}, pages={811--825}, year={2018}}"
    ),
    "steiger1980": (
        "@article{steiger1980, author={Steiger, James H.}, title={Tests for Comparing Elements of a Correlation "
        "Matrix}, journal={Psychological Bulletin}, volume={87}, number={2}, pages={245--251}, year={1980}}"
    ),
    "williams1959": (
        "@article{williams1959, author={Williams, Evan J.}, title={The Comparison of Regression Variables}, "
        "journal={Journal of the Royal Statistical Society: Series B}, volume={21}, number={2}, pages={396--399}, "
        "year={1959}}"
    ),
    "hansenlundenason2011": (
        "@article{hansenlundenason2011, author={Hansen, Peter R. and Lunde, Asger and Nason, James M.}, title={The "
        "Model Confidence Set}, journal={Econometrica}, volume={79}, number={2}, pages={453--497}, year={2011}}"
    ),
    "dieboldyilmaz2009": (
        "@article{dieboldyilmaz2009, author={Diebold, Francis X. and Yilmaz, Kamil}, title={Measuring Financial Asset "
        "Return and Volatility Spillovers, with Application to Global Equity Markets}, journal={Economic Journal}, "
        "volume={119}, number={534}, pages={158--171}, year={2009}}"
    ),
    "dieboldyilmaz2012": (
        "@article{dieboldyilmaz2012, author={Diebold, Francis X. and Yilmaz, Kamil}, title={Better to Give than to "
        "Receive: Predictive Directional Measurement of Volatility Spillovers}, journal={International Journal of "
        "Forecasting}, volume={28}, number={1}, pages={57--66}, year={2012}}"
    ),
    "pesaranshin1998": (
        "@article{pesaranshin1998, author={Pesaran, H. Hashem and Shin, Yongcheol}, title={Generalized Impulse "
        "Response Analysis in Linear Multivariate Models}, journal={Economics Letters}, volume={58}, number={1}, "
        "pages={17--29}, year={1998}}"
    ),
    "ando2022": (
        "@article{ando2022, author={Ando, Tomohiro and Greenwood-Nimmo, Matthew and Shin, Yongcheol}, title={Quantile "
        "Connectedness: Modeling Tail Behavior in the Topology of Financial Networks}, journal={Management Science}, "
        "volume={68}, number={4}, pages={2401--2431}, year={2022}}"
    ),
    "koenkerbassett1978": (
        "@article{koenkerbassett1978, author={Koenker, Roger and Bassett, Gilbert}, title={Regression Quantiles}, "
        "journal={Econometrica}, volume={46}, number={1}, pages={33--50}, year={1978}}"
    ),
    "cheungng1996": (
        "@article{cheungng1996, author={Cheung, Yin-Wong and Ng, Lilian K.}, title={A Causality-in-Variance Test and "
        "Its Application to Financial Market Prices}, journal={Journal of Econometrics}, volume={72}, "
        "number={1--2}, pages={33--48}, year={1996}}"
    ),
    "hong2001": (
        "@article{hong2001, author={Hong, Yongmiao}, title={A Test for Volatility Spillover with Application to "
        "Exchange Rates}, journal={Journal of Econometrics}, volume={103}, number={1--2}, pages={183--224}, "
        "year={2001}}"
    ),
    "scholeswilliams1977": (
        "@article{scholeswilliams1977, author={Scholes, Myron and Williams, Joseph}, title={Estimating Betas from "
        "Nonsynchronous Data}, journal={Journal of Financial Economics}, volume={5}, number={3}, pages={309--327}, "
        "year={1977}}"
    ),
    "dimson1979": (
        "@article{dimson1979, author={Dimson, Elroy}, title={Risk Measurement when Shares are Subject to Infrequent "
        "Trading}, journal={Journal of Financial Economics}, volume={7}, number={2}, pages={197--226}, year={1979}}"
    ),
    "wu1986": (
        "@article{wu1986, author={Wu, C. F. J.}, title={Jackknife, Bootstrap and Other Resampling Methods in "
        "Regression Analysis}, journal={Annals of Statistics}, volume={14}, number={4}, pages={1261--1295}, "
        "year={1986}}"
    ),
    "longinsolnik2001": (
        "@article{longinsolnik2001, author={Longin, Fran{\\c c}ois and Solnik, Bruno}, title={Extreme "
        "Correlation of International Equity Markets}, journal={Journal of Finance}, volume={56}, number={2},"
        " pages={649--676}, year={2001}}"
    ),
    "angchen2002": (
        "@article{angchen2002, author={Ang, Andrew and Chen, Joseph}, title={Asymmetric Correlations of "
        "Equity Portfolios}, journal={Journal of Financial Economics}, volume={63}, number={3}, "
        "pages={443--494}, year={2002}}"
    ),
    "hongtuzhou2007": (
        "@article{hongtuzhou2007, author={Hong, Yongmiao and Tu, Jun and Zhou, Guofu}, title={Asymmetries in "
        "Stock Returns: Statistical Tests and Economic Evaluation}, journal={Review of Financial Studies}, "
        "volume={20}, number={5}, pages={1547--1581}, year={2007}}"
    ),
    "rosenbaum1961": (
        "@article{rosenbaum1961, author={Rosenbaum, S.}, title={Moments of a Truncated Bivariate Normal "
        "Distribution}, journal={Journal of the Royal Statistical Society B}, volume={23}, number={2}, "
        "pages={405--408}, year={1961}}"
    ),
    "coles1999": (
        "@article{coles1999, author={Coles, Stuart and Heffernan, Janet and Tawn, Jonathan}, "
        "title={Dependence Measures for Extreme Value Analyses}, journal={Extremes}, volume={2}, number={4}, "
        "pages={339--365}, year={1999}}"
    ),
    "poonrockingertawn2004": (
        "@article{poonrockingertawn2004, author={Poon, Ser-Huang and Rockinger, Michael and Tawn, Jonathan}, "
        "title={Extreme Value Dependence in Financial Markets: Diagnostics, Models, and Financial "
        "Implications}, journal={Review of Financial Studies}, volume={17}, number={2}, pages={581--610}, "
        "year={2004}}"
    ),
    "bormannschienle2020": (
        "@article{bormannschienle2020, author={Bormann, Carsten and Schienle, Melanie}, title={Detecting "
        "Structural Differences in Tail Dependence of Financial Time Series}, journal={Journal of Business "
        "and Economic Statistics}, volume={38}, number={2}, pages={380--392}, year={2020}}"
    ),
    "can2023": (
        "@article{can2023, author={Can, Sami Umut and Einmahl, John H. J. and Laeven, Roger J. A.}, "
        "title={Two-Sample Testing for Tail Copulas with an Application to Equity Indices}, journal={Journal "
        "of Business and Economic Statistics}, year={2023}}"
    ),
    "jlassi2023": (
        "@article{jlassi2023, author={Jlassi, Nabila Boukef and Jeribi, Ahmed and Lahiani, Amine and "
        "Mefteh-Wali, Salma}, title={Subsample Analysis of Stock Market--Cryptocurrency Returns Tail "
        "Dependence: A Copula Approach for the Tails}, journal={Finance Research Letters}, volume={58}, "
        "pages={104056}, year={2023}}"
    ),
    "leemykland2008": (
        "@article{leemykland2008, author={Lee, Suzanne S. and Mykland, Per A.}, title={Jumps in Financial "
        "Markets: A New Nonparametric Test and Jump Dynamics}, journal={Review of Financial Studies}, "
        "volume={21}, number={6}, pages={2535--2563}, year={2008}}"
    ),
    "berger1982": (
        "@article{berger1982, author={Berger, Roger L.}, title={Multiparameter Hypothesis Testing and "
        "Acceptance Sampling}, journal={Technometrics}, volume={24}, number={4}, pages={295--300}, "
        "year={1982}}"
    ),
    "clopperpearson1934": (
        "@article{clopperpearson1934, author={Clopper, C. J. and Pearson, E. S.}, title={The Use of "
        "Confidence or Fiducial Limits Illustrated in the Case of the Binomial}, journal={Biometrika}, "
        "volume={26}, number={4}, pages={404--413}, year={1934}}"
    ),
}


def bibliography() -> dict[str, str]:
    """Every BibTeX entry the library can cite, by key."""
    return dict(_BIBLIOGRAPHY)


def citation(*keys: str) -> str:
    """BibTeX entries of ``keys``, in order and once each."""
    unknown = [key for key in keys if key not in _BIBLIOGRAPHY]
    if unknown:
        raise SpecError(f"no bibliography entry for {unknown[0]!r}")
    return "\n\n".join(_BIBLIOGRAPHY[key] for key in dict.fromkeys(keys)) + "\n"
